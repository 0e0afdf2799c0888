#!/bin/bash
# HQ's store comes back from a backup older than what an office keeps (DESIGN.md section 4, rule 6): HQ takes nothing over the gap,
# both sides name it, the operator lets the stream go on, which is recorded; and nothing is counted twice because of it.
. "$(dirname "$0")/lib.sh"
region "$source_tree/catalog/neimenggu"
. "$flow/backups.bash"
o=150400
office $o "outbox: {keep_days: 0}"
office 150200
for name in aggregator sink $o 150200; do start $name; done
let_go() { [ "$(ask $o /api/v1/reports)" = '{"reports":[]}' ]; }
stopped() { complains $o '"name":"stopped"'; }
anew() { stop $o; start $o; } # it asks again every 30 s by itself

chapter "the backup, and what comes after it and is let go"
put $o 2023-09-19 replace 10
put 150200 2023-09-19 replace 1000
await drained $o
await drained 150200
backup sink old
put $o 2023-09-20 replace 20
put $o 2023-09-21 add 30
put 150200 2023-09-20 replace 2000
await drained $o
anew
await let_go
await drained 150200

chapter "the gap"
stop sink
restore sink old
start sink
await stopped
says "$(ask $o /healthz)" "HQ lacks reports that the office no longer holds"
is "$(curl -s -o /dev/null -w '%{http_code}' "$(url $o)/healthz")" 503
await complains aggregator "refused-$o"
put $o 2023-09-22 add 40
unsaid $o 1 20
unsaid $o 1 30
await drained 150200 # the others go on
await sums_up 2023-09-20 2000
sums_up 2023-09-22 40 && fail "reports were taken over the gap"
is "$(states $o)" "1 queued"

chapter "the operator"
sumu stream skip $o >"$dir/skipped"
says "$(cat "$dir/skipped")" "2 to 3"
sumu stream skip $o >"$dir/again" 2>&1 && fail "a gap is skipped twice"
sumu stream skip 150200 >"$dir/none" 2>&1 && fail "a stream without a gap is skipped"
is "$(sqlite3 -readonly "$(database sink)" "SELECT office, from_seq, to_seq FROM skip_")" "$o|2|3"
stop $o
office $o # which keeps for 30 days from here on
start $o
put $o 2023-09-20 replace 21 # as the operator asked the office to
exact $o 150200
await healthy $o
await healthy aggregator

chapter "the outbox comes back from a backup made after it"
backup $o after
put $o 2023-09-22 add 5
await drained $o
stop $o
restore $o after
start $o
into $o 2
put $o 2023-09-22 add 6
exact $o 150200
is "$(streams $o)" 2

punctual aggregator sink $o 150200
stop_all
