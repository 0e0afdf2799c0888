#!/bin/bash
# floor: a workload in turn with the bare pipeline, which does its physical work and nothing else (batches of the same
# size, CURVE on, both copies synced, all month totals in SQLite). FLOOR names a folder with its programs `gen` and `l_pipe`;
# without it there is nothing to compare, and the status is 77.
#
#     FLOOR=DIR [WORKLOAD=hq|trickle|paced] [RUNS=3] [FACTS=…] [ROWS=…] [RATE=…] tests/bench/floor.sh
#
# Each pair of runs is printed as it comes; the last line has the medians, and the ratio of ours to the floor's with its
# range over the pairs. The floor's work is that of tree w whatever ours is (ROWS=10000 asks for wide).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ -n "${FLOOR:-}" ] || { echo "floor: FLOOR names no folder with gen and l_pipe"; exit 77; }
workload=${WORKLOAD:-hq} runs=${RUNS:-3}
export RATE=${RATE:-1000000} EXPANSION=${EXPANSION:-0}
case $workload in
hq) rows=${ROWS:-1000} facts=${FACTS:-24000000} script=hq.sh window=32 ;;
trickle) rows=1 facts=24000000 script=trickle.sh window=1 ;;
paced) rows=${ROWS:-$((RATE > 1000000 ? 1000 : 100))} facts=$((RATE * ${DURATION:-5})) script=paced.sh window=64 ;;
*) echo "floor: no such workload: $workload" >&2; exit 2 ;;
esac
dir=$(mktemp -d "${TMPDIR:-/tmp}/sumu-floor.XXXXXX")
trap 'rm -rf "$dir"' EXIT
"$FLOOR/gen" "$facts" "$dir/work"

ours() {
        case $workload in
        hq) ROWS=$rows FACTS=$facts WINDOW=$window "$here/hq.sh" ;;
        trickle) WITHOUT_HTTP=1 "$here/trickle.sh" ;;
        paced) ROWS=$rows WINDOW=$window "$here/paced.sh" ;;
        esac
}
theirs() {
        case $workload in
        hq) env -u RATE "$FLOOR/l_pipe" "$dir/work" "$facts" "$rows" colh 1 1 1 $window "$dir/out" ;;
        trickle) env -u RATE "$FLOOR/l_pipe" "$dir/work" "$facts" 1 colh 1 1 1 1 "$dir/out" trickle ;;
        paced) "$FLOOR/l_pipe" "$dir/work" "$facts" "$rows" colh 1 1 1 $window "$dir/out" ;;
        esac | tr '\n' ' '
}
of_ours() { tr ' ' '\n' <<<"$1" | sed -n "s/^$2=//p"; }      # line, name
of_floor() { sed -nE "s/.*$2 +([0-9.]+).*/\1/p" <<<"$1"; }     # line, what stands before the number
floor_cpu() { sed -nE 's/.*aggregator\+sink ([0-9.]+) producers ([0-9.]+) .*/\1 \2/p' <<<"$1" | awk '{printf "%.4f", $1 + $2}'; }
middle() { sort -g | awk '{v[NR] = $1} END {printf "%.4f", NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'; }

pair() { # name, ours, the floor's
        [ -n "$2" ] && [ -n "$3" ] || { echo "floor: no $1 in a line" >&2; exit 1; }
        echo "$2 $3" >>"$dir/$1"
        printf ' %s=%s floor_%s=%s' "$1" "$2" "$1" "$3"
}
for ((i = 1; i <= runs; i++)); do
        us=$(ours)
        floor=$(theirs)
        case $workload$floor in hq*correct*) ;; hq*) echo "floor: $floor" >&2; exit 1 ;; esac
        printf 'name=floor_pair workload=%s' "$workload"
        if [ "$workload" = hq ]; then
                pair mfacts_s "$(of_ours "$us" mfacts_s)" "$(of_floor "$floor" '\) =')"
                pair cpu "$(of_ours "$us" cpu)" "$(floor_cpu "$floor")"
        else
                pair ack_p50_ms "$(of_ours "$us" ack_p50_ms)" "$(of_floor "$floor" 'p50')"
                pair ack_p99_ms "$(of_ours "$us" ack_p99_ms)" "$(of_floor "$floor" p99)"
        fi
        printf ' load=%s\n' "$(cut -d' ' -f1 /proc/loadavg)"
done
printf 'name=floor workload=%s rows=%s runs=%s' "$workload" "$rows" "$runs"
for what in mfacts_s cpu ack_p50_ms ack_p99_ms; do
        [ -e "$dir/$what" ] || continue
        awk '{print $1 / $2}' "$dir/$what" | sort -g >"$dir/ratios"
        printf ' %s=%s floor_%s=%s ratio_%s=%s low=%.3f high=%.3f' "$what" "$(cut -d' ' -f1 "$dir/$what" | middle)" "$what" \
                "$(cut -d' ' -f2 "$dir/$what" | middle)" "$what" "$(middle <"$dir/ratios")" "$(head -n 1 "$dir/ratios")" "$(tail -n 1 "$dir/ratios")"
done
echo
