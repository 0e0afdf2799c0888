#!/bin/bash
# grow: what a fact costs when much is there already. For each of SIZES leaf cells (township, counter, day): a history of days
# up to 2024-03-31, a report of HISTORY_ROWS facts a day of each office; then LOAD facts into the month that follows, in reports
# of ROWS as hq sends them; then days of the first weeks of the history are corrected. A line for each size, and at last the
# ratios to the first. LARGE=1: up to 100 million, for which some 20 GB are written.
set -euo pipefail
if [ -z "${CELLS:-}" ]; then
        sizes=${SIZES:-500000 2000000}
        [ -z "${LARGE:-}" ] || sizes="1000000 30000000 100000000"
        lines=
        for size in $sizes; do
                line=$(CELLS=$size "$0")
                echo "$line"
                lines+="$line"$'\n'
        done
        awk 'BEGIN {printf "name=grow_ratios"}
                {for (i = 1; i <= NF; i++) {split($i, word, "="); is[word[1]] = word[2]}}
                NF && !seen++ {for (name in is) first[name] = is[name]; next}
                NF {
                        printf " cells_ratio=%.1f", is["cells"] / first["cells"]
                        n = split("cpu cpu_aggregator cpu_sink cpu_offices rss_aggregator_mib rss_sink_mib open_bytes late_ack_ms late_next_ms", wanted, " ")
                        for (i = 1; i <= n; i++) if (first[wanted[i]] > 0) printf " %s_ratio=%.2f", wanted[i], is[wanted[i]] / first[wanted[i]]
                }
                END {print ""}' <<<"$lines"
        exit
fi
. "$(dirname "$0")/lib.sh"
shopt -s extglob
tree=${TREE:-w} history_rows=${HISTORY_ROWS:-1000} rows=${ROWS:-1000} year=365
headquarters "$tree"
days=$((CELLS / history_rows / 12))
[ $days -ge 22 ] || fail "$CELLS cells are a history of $days days; 22 are needed"
day_of() { date -ud "2024-03-31 $1 days" +%F; } # 0: the last of the history

# The months of all that has been said, of regions that have children. A month may be said in two runs.
remember() { awk -F, 'NR == FNR {above[$2] = 1; next} $2 in above && length($3) == 7' "$catalog/regions.csv" "$dir/sums" >>"$dir/said"; }
months_said() {
        awk -F, '{place = $1 "," $2 "," $3; sum[place] += $4; n[place] += $6; if ($5 == "at_least") least[place] = 1}
                END {for (p in sum) printf "%s,%d,%s,%d\n", p, sum[p], least[p] ? "at_least" : "exact", n[p]}' "$dir/said"
}
fill() {
        local left=$days n
        while [ $left -gt 0 ]; do
                n=$((left < year ? left : year))
                offices rows="$history_rows" reports=$n days=$n first="$(day_of -$((left - 1)))"
                remember
                left=$((left - n))
        done
}
open_bytes() { metric aggregator sumu_open_periods_bytes; }

timed fill
history="history_days=$days history_s=$(per "$took_ms" 1000) history_rss_aggregator_mib=$(rss_mib aggregator) history_open_bytes=$(open_bytes)"
FLOW_PATIENCE=$((FLOW_PATIENCE + CELLS / 10000)) # SQL's rows of a long history take their time
[ "${EXPANSION:-1}" = 0 ] || await expanded

offices rows="$rows" reports="$(reports_of "${LOAD:-600000}" "$rows")" window="${WINDOW:-32}"
remember
measured=${measured/ outbox_bytes_fact=*([^ ])/} # the history lies in the outboxes, too
measure cells $((days * history_rows * 12))
measured+=" $history"
measure open_bytes "$(open_bytes)"
load=$measured

# Two days are replaced, twice, one report at a time: the first has to wait for what was closed.
behind=$((days - 1))
while [[ $(day_of -$behind) != *-[12]0 ]]; do behind=$((behind - 1)); done
late=$(day_of -$behind)
offices rows="$history_rows" reports=4 senders=1 window=1 replace=1 first="$late"
measured="$load late_day=$late late_ack_ms=$(figure ack_max_ms) late_next_ms=$(figure ack_p50_ms) late_recalls=$(figure recalls)"
measure late_open_bytes "$(open_bytes)"
measure late_rss_aggregator_mib "$(rss_mib aggregator)"
measure late_rss_sink_mib "$(rss_mib sink)"
measure late_year_reports "$(sql "SELECT count(*) FROM report WHERE period GLOB '${late%%-*}-*'")"
measure store_mib "$(per "$(stat -c %s "$store")" 1048576)"

office=$(awk -F, 'NR == 2 {print $1}' "$catalog/offices.csv")
grep -E "^[^,]*,$office[0-9]*,$late," "$dir/sums" | sort >"$dir/corrected"
sql "SELECT indicator, region, period, value, qualifier, facts FROM total WHERE facts > 0 AND period = '$late' AND region GLOB '$office*'" | sort >"$dir/stored"
agree "the corrected day" "$dir/corrected" "$dir/stored"
months_said | grep -v ",${late%-*}," | sort >"$dir/months"
sql "SELECT indicator, region, period, value, qualifier, facts FROM total WHERE facts > 0 AND period GLOB '????-[01]?' AND period <> '${late%-*}'" |
        sort >"$dir/stored-months"
agree months "$dir/months" "$dir/stored-months"
measure totals_compared $(($(wc -l <"$dir/stored") + $(wc -l <"$dir/stored-months")))
verified
conclude grow
