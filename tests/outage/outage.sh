#!/bin/bash
# HQ is away while twelve offices go on counting: DAYS days of REPORTS reports a day of 348 figures each lie in every outbox
# (2880 a day are 1,000,000 figures). The collectors start on them and take more; then aggregator and sink come, and all of
# it drains while still more is handed in. Every total is that of a plain table, every figure for SQL is there, `sumu verify`
# agrees; and an aggregator killed afterwards serves again at once. What it took is printed as a table, and held against the
# bounds unless the programs carry sanitizers.
. "$(dirname "$0")/measure.sh"
FLOW_PATIENCE=1800
seed=${SEED:-20260101}
days=${DAYS:-1} reports=${REPORTS:-30} rows=348
echo "SEED=$seed DAYS=$days REPORTS=$reports"
region "$source_tree/catalog/neimenggu"
mapfile -t offices < <(awk -F, 'NR > 1 && $3 == "subtree" {print $1}' "$catalog/offices.csv")
yesterday=$(TZ=Asia/Shanghai date -d yesterday +%F) # the last day of the outage, and of what is handed in later

most() { local o; for o in "${offices[@]}"; do "$1" "$o"; echo; done | sort -n | tail -n 1; }     # function of an office
sum() { local o; for o in "${offices[@]}"; do "$1" "$o"; echo; done | awk '{n += $1} END {print n}'; }

# ---- days without a line
fill() { # office
        outage_away "$catalog" "$dir/state/$1" "$1" $((seed + $1)) "$days" "$reports" $rows "$dir/stands-$1" >"$dir/away-$1"
}
began=$(now_ms)
for o in "${offices[@]}"; do office "$o"; done
for half in 0 1; do
        for ((i = half; i < ${#offices[@]}; i += 2)); do fill "${offices[$i]}" || exit 1; done &
        filling[half]=$!
done
for p in "${filling[@]}"; do wait "$p" || fail "an outbox could not be filled"; done
read -r n_reports n_facts n_bytes < <(cat "$dir"/away-* | awk '{r += $1; f += $2; b += $3} END {print r, f, b}')
chapter "$n_reports reports, $n_facts facts, $((n_bytes >> 20)) MiB of payload in ${#offices[@]} outboxes, made in $(seconds $(($(now_ms) - began))) s"
tell "facts waiting" "$n_facts"
tell "reports waiting" "$n_reports"

# ---- one more, through HTTP: taken whether HQ is there or not
handed=0
hand_in() { # office: prints what it took, in ms
        local where answer
        where=$(awk -F'|' '$2 == "gunexp" {print $5; exit}' "$dir/stands-$1")
        answer=$(printf 'region,indicator,value\n%s,cases_solved,3\n' "$where" | curl -s -o "$dir/answer" -w '%{http_code} %{time_total}' \
                -H 'Content-Type: text/csv' --data-binary @- "$(url "$1")/api/v1/reports?dataset=gunexp&period=$yesterday&action=add")
        [ "${answer% *}" = 202 ] || fail "$1: $answer $(cat "$dir/answer")"
        handed=$((handed + 1))
        echo "$1:more$handed|gunexp|$yesterday|add|$where|cases_solved|3" >>"$dir/more"
        took=$(awk -v s="${answer#* }" 'BEGIN {printf "%.0f", s * 1000}')
        echo "$took" >>"$dir/took-$2"
}
worst_start=0
for o in "${offices[@]}"; do
        began=$(now_ms)
        start "$o"
        up=$(($(now_ms) - began))
        [ $up -le $worst_start ] || worst_start=$up
        hand_in "$o" first
done
bounded "collector, start to answering, the slowest" $worst_start 1000 ms
bounded "first report with HQ away, the slowest" "$(sort -n "$dir/took-first" | tail -n 1)" 1000 ms
for _ in 1 2 3 4 5; do for o in "${offices[@]}"; do hand_in "$o" away; done; done
tell "reports with HQ away, median" "$(sort -n "$dir/took-away" | sed -n 30p) ms"
for o in "${offices[@]}"; do
        ask "$o" /metrics >/dev/null
        ask "$o" '/api/v1/reports?state=pending&limit=1000' >/dev/null
        complains "$o" '"hq"' || fail "$o does not miss HQ"
done
bounded "collector, resident, HQ away (largest of 12)" "$(mib "$(most high_water)")" 32 MiB

# ---- HQ comes back
marked() { # office: HQ has all of it
        ask "$1" /metrics | awk '$1 == "sumu_outbox_head" {head = $2} $1 == "sumu_outbox_mark" {mark = $2} END {exit !(head > 0 && head == mark)}'
}
slow_turn() { read -rt 0.25 <>"$dir/never" || true; }
began=$(now_ms)
start sink
start aggregator
serving=$(now_ms)
for o in "${offices[@]}"; do
        until marked "$o"; do
                [ $SECONDS -lt $FLOW_PATIENCE ] || fail "$o does not drain"
                hand_in "${offices[$((handed % ${#offices[@]}))]}" draining
                slow_turn
        done
done
for o in "${offices[@]}"; do await marked "$o"; done
ended=$(now_ms)
took=$((ended - began))
processes_cpu=$(($(sum cpu_ms) + $(cpu_ms aggregator) + $(cpu_ms sink)))
bounded "drained: HQ's start to the last mark" "$(seconds $took)" 120 s
tell "of it, until HQ served" "$(seconds $((serving - began))) s"
tell "facts a second, end to end" "$(awk -v n="$n_facts" -v ms=$took 'BEGIN {printf "%.0f", n * 1000 / ms}')"
tell "reports while it drained: how many" "$(wc -l <"$dir/took-draining")"
tell "reports while it drained: slowest" "$(sort -n "$dir/took-draining" | tail -n 1) ms"
tell "processor, 12 collectors together" "$(seconds "$(sum cpu_ms)") s"
tell "processor, aggregator" "$(seconds "$(cpu_ms aggregator)") s"
tell "processor, sink" "$(seconds "$(cpu_ms sink)") s"
tell "facts a second of processor" "$(awk -v n="$n_facts" -v ms=$processes_cpu 'BEGIN {printf "%.0f", n * 1000 / ms}')"
bounded "collector, resident, drained (largest of 12)" "$(mib "$(most high_water)")" 32 MiB
bounded "aggregator, resident" "$(mib "$(high_water aggregator)")" 128 MiB
tell "sink, resident" "$(mib "$(high_water sink)") MiB"
for o in "${offices[@]}"; do await drained "$o"; done
tell "last verdict kept, after the last mark" "$(seconds $(($(now_ms) - ended))) s"
chapter "drained in $(seconds $took) s"

# ---- exact
expanded() { [ "$(metric sink sumu_facts_behind)" = 0 ]; }
await expanded
tell "facts for SQL complete, after the last mark" "$(seconds $(($(now_ms) - ended))) s"
tell "processor, sink, facts for SQL included" "$(seconds "$(cpu_ms sink)") s"
tell "store" "$(du -m "$dir/state/sink" | cut -f1) MiB"
sql() { sqlite3 -readonly -separator , "$dir/state/sink/sumu.db" "$1"; }
is "$(sql "SELECT count(*), sum(verdict = 'accepted') FROM report")" "$((n_reports + handed)),$((n_reports + handed))"
is "$(sql 'SELECT count(*) FROM fact')" "$(cat "$dir"/stands-* "$dir/more" | awk -F'|' '!seen[$2, $3, $5, $6]++' | wc -l)"
plainly "$dir"/stands-* "$dir/more" >"$dir/plain"
# Stored are the totals of regions that have children; the others are answered from facts.
awk -F, 'NR == FNR {above[$2] = 1; next} $2 in above' "$catalog/regions.csv" "$dir/plain" >"$dir/plain-stored"
sql "SELECT indicator, region, period, value, qualifier, facts FROM total WHERE facts > 0" |
        awk -F, -v OFS=, '{$4 = sprintf("%.15g", $4); print}' | sort >"$dir/stored"
diff "$dir/plain-stored" "$dir/stored" >"$dir/diff" || { head -n 20 "$dir/diff" >&2; fail "stored totals differ: plain <, stored >"; }
tell "stored totals, all equal to the plain table's" "$(wc -l <"$dir/stored")"
chapter "totals are exact"
began=$(now_ms)
verified
tell "sumu verify" "$(seconds $(($(now_ms) - began))) s"

# ---- recovery with all that in the store
served() { [ "$(metric aggregator sumu_reports_accepted_total)" = 1 ]; }
crash aggregator
before=$(cpu_ms sink)
began=$(now_ms)
start aggregator
await healthy aggregator
bounded "aggregator killed: healthy again" "$(seconds $(($(now_ms) - began)))" 2 s
hand_in "${offices[1]}" again
await marked "${offices[1]}"
await served
tell "and a report to the largest day is at HQ" "$(seconds $(($(now_ms) - began))) s" # the day is recalled first
tell "processor, aggregator and sink, for it" "$(seconds "$(cpu_ms aggregator)") s" "$(seconds $(($(cpu_ms sink) - before))) s"
for o in "${offices[@]}"; do hand_in "$o" again; done
for o in "${offices[@]}"; do await marked "$o"; done
bounded "aggregator, resident, after it" "$(mib "$(high_water aggregator)")" 128 MiB
tell "recalls" "$(metric aggregator sumu_recalls_total)"

late() { metric "$1" sumu_late_wakeups_total; }
tell "late wake-ups, aggregator, sink, all collectors" "$(late aggregator) $(late sink) $(sum late)"
stop_all
conclude
