# shellcheck shell=bash
# measure.sh: what a walk took, as a table, and whether it was too much. To be sourced, instead of tests/flow/lib.sh:
#
#   now_ms, high_water NAME (KiB), cpu_ms NAME       of a started daemon
#   mib KIB, seconds MS                              as they are printed
#   tell WHAT MEASURED                               a row of the table
#   bounded WHAT MEASURED MOST UNIT                  a row that is held against a bound
#   conclude                                         prints the table; fails where a bound was broken
#
# Bounds hold for programs as they are delivered; with sanitizers they are only printed.
. "$(dirname "${BASH_SOURCE[0]}")/../flow/lib.sh"
PATH=$SUMU_BIN/tests/outage:$PATH
if ldd "$(command -v sumu-collector)" | grep -q asan; then sanitized=1; else sanitized=; fi

now_ms() { echo $(($(date +%s%N) / 1000000)); }
high_water() { awk '$1 == "VmHWM:" {printf "%d", $2}' "/proc/${pid_of[$1]}/status"; }
cpu_ms() { awk '{printf "%d", ($14 + $15) * 10}' "/proc/${pid_of[$1]}/stat"; }
mib() { awk -v k="$1" 'BEGIN {printf "%.1f", k / 1024}'; }
seconds() { awk -v ms="$1" 'BEGIN {printf "%.2f", ms / 1000}'; }
tell() { printf '| %-54s | %12s | %9s |\n' "$1" "$2" "${3:-}" >>"$dir/table"; }
bounded() {
        tell "$1" "$2 $4" "$3 $4"
        [ -n "$sanitized" ] || awk -v is="$2" -v may="$3" 'BEGIN {exit !(is <= may)}' || echo "$1: $2 $4 and not at most $3" >>"$dir/beyond"
}
conclude() {
        cat "$dir/table"
        [ ! -e "$dir/beyond" ] || fail "$(cat "$dir/beyond")"
}
