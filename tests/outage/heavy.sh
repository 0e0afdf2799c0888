#!/bin/bash
# An outbox of MIB mebibytes that wait for HQ (10 GB: MIB=10240): opening it takes no longer than an empty one, whether the
# file is in the page cache or not; a collector started on it, also after it was killed in the middle of its work, takes the
# first report within a second, in the memory of any other. Figures are held against the bounds unless the programs carry
# sanitizers.
. "$(dirname "$0")/measure.sh"
mib=${MIB:-100}
o=150200
region "$source_tree/catalog/neimenggu"
office $o "outbox: {max_bytes: 100GiB}"
state=$dir/state/$o
[ "$(df --output=avail -m "$state" | tail -n 1)" -gt $((3 * mib)) ] || fail "no room for an outbox of $mib MiB"
n=$(outage_heavy make "$catalog" "$state" $o "$mib")
tell "outbox" "$(du -m "$state/outbox.db" | cut -f1) MiB"
tell "reports waiting" "$n"
chapter "$n reports in an outbox of $mib MiB"

opened() { # name, forget or not: opening and what a start looks for, the slowest of five
        local i
        for i in 1 2 3 4 5; do
                [ "$2" != cold ] || outage_heavy forget "$state"
                outage_heavy open "$state" $o
        done >"$dir/opened"
        bounded "open, $1, slowest of 5" "$(sort -n "$dir/opened" | tail -n 1 | awk '{printf "%.1f", $1 / 1000}')" 50 ms
        tell "first waiting verdict, $1" "$(sort -nk2 "$dir/opened" | tail -n 1 | awk '{printf "%.1f", $2 / 1000}') ms"
}
opened "file in the page cache" warm
opened "file not in the page cache" cold

day=$(TZ=Asia/Shanghai date -d yesterday +%F)
first_report() { # name: from the start on, to the first 202
        local began
        began=$(now_ms)
        start $o
        tell "collector, start to answering, $1" "$(($(now_ms) - began)) ms"
        hand_in "$day"
        bounded "collector, start to first report taken, $1" "$(($(now_ms) - began))" 1000 ms
}
hand_in() { # day
        is "$(printf 'region,indicator,value\n150202001000,cases_solved,3\n' | curl -s -o "$dir/answer" -w '%{http_code}' -H 'Content-Type: text/csv' \
                --data-binary @- "$(url $o)/api/v1/reports?dataset=gunexp&period=$1&action=add")" 202
}
outage_heavy forget "$state"
first_report cold
for i in $(seq 20); do hand_in "$day"; done
crash $o
first_report "after kill -9"
began=$(now_ms)
hand_in "$(TZ=Asia/Shanghai date -d '5 days ago' +%F)"
tell "a report to a day of which 40 wait" "$(($(now_ms) - began)) ms"
began=$(now_ms)
ask $o /metrics >/dev/null
complains $o '"hq"' || fail "it does not miss HQ"
tell "/metrics and /healthz together" "$(($(now_ms) - began)) ms"
for query in 'state=pending&limit=1000' 'state=accepted' 'state=rejected' 'dataset=scipop' 'period=2020-01-01' 'dataset=scipop&state=pending'; do
        began=$(now_ms)
        ask $o "/api/v1/reports?$query" >/dev/null
        tell "GET reports?$query" "$(($(now_ms) - began)) ms"
done
bounded "collector, resident at most" "$(mib "$(high_water $o)")" 32 MiB
is "$(metric $o sumu_outbox_head)" $((n + 23))
stop_all
conclude
