# shellcheck shell=bash
# lib.sh: work W in front of the real aggregator and sink. To be sourced, instead of tests/flow/lib.sh:
#
#   ground TREE                    the catalogue (catalog.sh), keys, folders of the offices
#   forget_all                     every program's state is gone
#   headquarters TREE              the same, sink and aggregator started
#   offices NAME [WORD]…           a run of bench_offices (plan.def); what it took is in `measured`, as name=value
#   exact                          every month and some days, of all four levels, are what the offices say they sent;
#                                  then what the store needs a fact, and the expansion for SQL, are added to `measured`
#   figure NAME, measure NAME VALUE  of `measured`; into it
#   timed COMMAND…                 runs it; how long that took is in `took_ms`
#   per A B                        A / B
#   conclude NAME                  all is stopped, and the line of this workload printed: everything measured
#
# The line is the only thing on stdout. A wrong total fails the run. EXPANSION=0 does not wait for the facts for SQL, which
# nothing here is checked with; what is said of them then is of those that were there.
. "$(dirname "${BASH_SOURCE[0]}")/../flow/lib.sh"
bench=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PATH=$SUMU_BIN/tests/bench:$PATH
FLOW_PATIENCE=${FLOW_PATIENCE_BENCH:-600}
store=$dir/state/sink/sumu.db
measured=

ground() {
        "$bench/catalog.sh" "$dir/catalog" "$1"
        region "$dir/catalog"
        forget_all
}
forget_all() { # what the programs kept: nothing has happened
        rm -rf "$dir/state"
        awk -F, 'NR > 1 {print $1} END {print "aggregator\nsink"}' "$catalog/offices.csv" | while read -r o; do mkdir -p "$dir/state/$o"; done
}
headquarters() {
        ground "$1"
        start sink
        start aggregator
        await healthy sink
}
# With FACTS and ROWS: reports of each of twelve offices.
reports_of() { echo $((($1 / $2 + 11) / 12)); }

# PROFILE=DIR: what perf sees meanwhile, as DIR/aggregator.data, sink.data and offices.data (the drawing is in it).
profilers=() recorder=()
profile() {
        local name how=(perf record -q -k CLOCK_MONOTONIC -F 499 --call-graph dwarf,4096)
        mkdir -p "$PROFILE"
        for name in aggregator sink; do
                "${how[@]}" -o "$PROFILE/$name.data" -p "${pid_of[$name]}" {flow_lock}>&- &
                profilers+=($!)
        done
        recorder=("${how[@]}" -o "$PROFILE/offices.data" --)
}
profiled() {
        local p
        for p in "${profilers[@]}"; do
                kill -INT "$p"
                wait "$p" || true
        done
        measure sink_expanding_percent "$(perf report -i "$PROFILE/sink.data" --time "$(figure from_s),$(figure to_s)" --children --no-inline -g none --stdio 2>/dev/null |
                awk '$NF == "store_expand" {sub("%", "", $1); print $1; exit}')"
}

# Of the aggregator, as more than one run may be in front of it.
counters() { for counter in flushes totals recalls; do metric aggregator "sumu_${counter}_total"; done | paste -sd' '; }
offices() {
        local before
        before=$(counters)
        [ -z "${PROFILE:-}" ] || profile
        measured=$("${recorder[@]}" bench_offices catalog="$catalog" keys="$dir/keys" state="$dir/state" \
                hq="tcp://127.0.0.1:$((flow_ports + 1))" sums="$dir/sums" aggregator="${pid_of[aggregator]}" sink="${pid_of[sink]}" \
                "$@" 2>>"$dir/log/offices.log" {flow_lock}>&-) || {
                cat "$dir/log/offices.log" >&2
                fail "the offices did not come to an end"
        }
        measured+=$(awk -v facts="$(figure facts)" '{printf " flushes=%d totals_fact=%.3f recalls=%d", $4 - $1, ($5 - $2) / facts, $6 - $3}' <<<"$before $(counters)")
        [ -z "${PROFILE:-}" ] || profiled
}
figure() { tr ' ' '\n' <<<"$measured" | sed -n "s/^$1=//p"; }
measure() { measured+=" $1=$2"; }

now_ms() { echo $((${EPOCHREALTIME/./} / 1000)); }
timed() {
        local from
        from=$(now_ms)
        "$@"
        took_ms=$(($(now_ms) - from))
}
per() { awk -v a="$1" -v b="$2" 'BEGIN {printf "%.4f", (b ? a / b : 0)}'; }
rss_mib() { awk '$1 == "VmHWM:" {printf "%.1f", $2 / 1024}' "/proc/${pid_of[$1]}/status"; }
cpu_ms() { awk '{printf "%d", ($14 + $15) * 10}' "/proc/${pid_of[$1]}/stat"; }
sql() { sqlite3 -readonly -separator , "$store" "$1"; }
expanded() { [ "$(metric sink sumu_facts_behind)" = 0 ]; }

# The figures the API answers for all townships in the first and the last month: banner by banner.
townships_asked() {
        local indicators period
        indicators=$(awk -F, 'NR > 1 {print "counts." $1}' "$catalog/indicators.csv" | paste -sd,)
        for period in "$@"; do
                awk -F, '$3 == "banner" {print $1}' "$catalog/regions.csv" | while read -r banner; do
                        echo "url = \"$(url sink)/api/v1/totals?indicator=$indicators&region=$banner&children=1&period=$period\""
                done
        done >"$dir/asked"
        curl -sSf -K "$dir/asked" | jq -r '.totals[] | select(.facts > 0) | [.indicator, .region, .period, .value, .qualifier, .facts] | join(",")'
}
agree() { # what, two sorted files
        diff "$2" "$3" >"$dir/diff" || { head -n 20 "$dir/diff" >&2; fail "$1: the sums of the offices <, HQ >"; }
        [ -s "$2" ] || fail "$1: nothing to compare"
}
exact() {
        local facts before months
        facts=$(figure facts)
        before=$(cpu_ms sink)
        measure expanded_meanwhile "$(sql "SELECT round(1.0 * count(*) / (SELECT count(*) FROM report_), 3) FROM report_ WHERE id <= (SELECT value FROM meta_ WHERE key = 'expanded')")"
        [ "${EXPANSION:-1}" = 0 ] || await expanded
        measure cpu_expansion_apart "$(awk -v ms=$(($(cpu_ms sink) - before)) -v n="$facts" 'BEGIN {printf "%.4f", ms * 1000 / n}')"
        measure store_bytes_fact "$(sql "SELECT round(1.0 * sum(pgsize) / $facts, 2) FROM dbstat WHERE name NOT GLOB 'fact_*'")"
        measure sql_bytes_fact_apart "$(sql "SELECT round(1.0 * sum(pgsize) / $facts, 2) FROM dbstat WHERE name GLOB 'fact_*'")"

        is "$(sql "SELECT count(*), sum(verdict = 'accepted') FROM report")" "$(figure reports),$(figure reports)"
        awk -F, 'NR == FNR {above[$2] = 1; next} $2 in above' "$catalog/regions.csv" "$dir/sums" | sort >"$dir/sums-stored"
        sql "SELECT indicator, region, period, value, qualifier, facts FROM total WHERE facts > 0 AND (period GLOB '????-??-?0' OR period GLOB '????-[01]?')" |
                sort >"$dir/stored"
        agree "stored totals" "$dir/sums-stored" "$dir/stored"
        months=$(cut -d, -f3 "$dir/sums" | grep -E '^....-..$' | sort -u | sed -n '1p;$p' | sort -u | paste -sd' ')
        for month in $months; do grep ",$month," "$dir/sums"; done | awk -F, 'NR == FNR {if ($3 == "township" || $3 == "banner") low[$1] = 1; next} $2 in low' \
                "$catalog/regions.csv" - | sort >"$dir/sums-townships"
        # shellcheck disable=SC2086 # months are words
        townships_asked $months | sort >"$dir/townships"
        agree "townships" "$dir/sums-townships" "$dir/townships"
        measure totals_compared $(($(wc -l <"$dir/stored") + $(wc -l <"$dir/townships")))
}
conclude() {
        local load
        punctual aggregator sink
        is "late wake-ups of offices: $(figure late_wakeups)" "late wake-ups of offices: $([[ $measured != *late_wakeups=* ]] || echo 0)"
        stop_all
        read -r load _ </proc/loadavg
        echo "name=$1 $measured load=$load"
}
