#!/bin/bash
# An outbox that has more than one stream behind it, by forks and take-overs, and a store that comes back from the days before them
# (DESIGN.md section 4, rules 6 and 7): what the office holds of its older streams is offered to HQ again, at its place.
. "$(dirname "$0")/lib.sh"
region "$source_tree/catalog/neimenggu"
. "$flow/backups.bash"
a=150200 b=150400
office $a
office $b
for name in aggregator sink $a $b; do start $name; done
quiet() { for name in "$@"; do await drained "$name"; done; }
turns() { sqlite3 -readonly "$(database sink)" "SELECT group_concat(turn) FROM (SELECT turn FROM mark WHERE office = '$1' ORDER BY turn)"; }

chapter "$a forks, and takes over twice"
put $b 2023-09-19 replace 100000
put $a 2023-09-23 add 4
quiet $a $b
backup sink before
put $a 2023-09-24 replace 50
put $a 2023-09-23 add 6
quiet $a
backup $a later
put $a 2023-09-25 replace 600
quiet $a
stop $a
restore $a later # HQ holds the 600, and it stands
start $a
into $a 2
put $a 2023-09-24 add 7
put $a 2023-09-23 replace 8
quiet $a
backup sink forked
stop $a
start $a --take-over
await healthy $a
into $a 3
put $a 2023-09-24 add 9
put $a 2023-09-26 add 70
quiet $a
stop $a
start $a --take-over
await healthy $a
into $a 4
put $a 2023-09-24 merge 1000 2.5
exact $a $b
is "$(turns $a)" 1,2,3,4

chapter "HQ comes back from before the take-overs, while $a is connected"
stop sink
restore sink forked
start sink
put $b 2023-09-26 add 1
exact $a $b
is "$(turns $a)" 1,2,3,4

chapter "from before the fork, with $a away; what only HQ held is lost"
stop $a
crash sink
restore sink before
start sink
start $a
unsaid $a 1 600
put $a 2023-09-24 add 3
exact $a $b
is "$(turns $a)" 1,2,3,4

chapter "no store at all"
crash aggregator
crash sink
lose sink
start sink
start aggregator
put $a 2023-09-24 add 5
exact $a $b
is "$(turns $a)" 1,2,3,4
for o in $a $b; do await healthy "$o"; done
punctual aggregator sink $a $b

chapter "all of it was let go, and the store is one from before: every gap is named, and passed"
put $a 2023-09-27 add 30000
quiet $a
stop $a
office $a "outbox: {keep_days: 0}"
start $a
let_go() { [ "$(ask $a /api/v1/reports)" = '{"reports":[]}' ]; }
await let_go
stop sink
restore sink forked
start sink
stopped() { complains $a '"name":"stopped"'; }
passes() { # it asks by itself every 30 s, and at once when it is started; HQ notes a gap every 5 s
        stop $a
        start $a
        await stopped
        sumu stream skip $a
}
await passes # of the stream of the first take-over, which the store lacks, and of the newest
await passes
stop $a
office $a
start $a
is "$(sqlite3 -readonly "$(database sink)" "SELECT count(*) FROM skip_ k JOIN stream_ s ON s.stream = k.stream WHERE s.turn IN (3, 4)")" 2
echo "$a:600|gunexp|2023-09-25|replace|${banner_of[$a]}|firearms_seized|600" >>"$dir/rows/$a.1" # this store held it
for lost in 9 70; do unsaid $a 3 $lost; done
for lost in 1000 3 5 30000; do unsaid $a 4 $lost; done
sed -i '/explosives_seized|2.5/d' "$dir/rows/$a.4"
put $a 2023-09-28 replace 3
exact $a $b
await healthy $a
stop_all
