#!/bin/bash
# An outbox is copied to a second machine, and both collectors report for the office at the same time, with the same keys
# (DESIGN.md section 4, rules 7 and 8). What both took counts, once, in the order of turns; only one goes on taking input.
. "$(dirname "$0")/lib.sh"
region "$source_tree/catalog/neimenggu"
. "$flow/backups.bash"
o=150200
second=second-machine
office $o
for name in aggregator sink $o; do start $name; done
passed() { complains "$1" not_this_offices_outbox; }
one_passed() { passed $o || passed $second; }
refuses() {
        is "$(curl -s -o "$dir/answer" -w '%{http_code}' -H 'Content-Type: text/csv' --data-binary $'region,indicator,value\n150202,firearms_seized,1' \
                "$(url "$1")/api/v1/reports?dataset=gunexp&period=2023-12-03")" 422
        is "$(jq -r '.errors[0].code' "$dir/answer")" not_this_offices_outbox
}

chapter "HQ is away; the copy holds reports that wait, and both go on from there"
put $o 2023-09-19 replace 10
put $o 2023-09-20 add 20
await drained $o
stop aggregator
put $o 2023-09-20 add 4
put $o 2023-09-21 add 300
backup $o copy
twin $second $o copy
start $second
into $o 2
into $second 3
for n in 1 2 3; do # the same numbers, other reports: only the hashes differ
        put $o 2023-09-19 merge 11 "$n.1"
        put $second 2023-09-19 add 5000 "$n.5"
        put $o 2023-09-22 replace $((100 + n))
        put $second 2023-09-22 replace $((200 + n))
done
start aggregator
await one_passed
await drained $o
await drained $second
# Who came first kept the stream; the other one forked, and is the last now.
first=$o last=$second
if passed $second; then
        first=$second last=$o
        mv "$dir/rows/$o.2" "$dir/rows/swap" && mv "$dir/rows/$o.3" "$dir/rows/$o.2" && mv "$dir/rows/swap" "$dir/rows/$o.3"
fi
into $last 3
is "$(metric $last sumu_streams_opened_total)" 1
is "$(metric $first sumu_streams_opened_total)" 0
exact $first $last
is "$(streams $o)" 2
await healthy $last
is "$(curl -s -o /dev/null -w '%{http_code}' "$(url $first)/healthz")" 503

chapter "the last one takes input, the other one says whose outbox it is not"
refuses $first
put $last 2023-10-01 add 7
exact $first $last

chapter "both are started anew, and both have learnt it"
stop $first
stop $last
start $first
refuses $first # before HQ could tell it again
start $last
await passed $first
put $last 2023-10-01 add 8
exact $first $last

chapter "take over, while the other one still reports"
stop $first
put $last 2023-10-02 replace 60
start $first --take-over
await healthy $first
await passed $last
refuses $last
into $first 4
put $first 2023-10-02 add 1
exact $first $last
is "$(streams $o)" 3

chapter "and back"
stop $last
start $last --take-over
await healthy $last
await passed $first
into $last 5
put $last 2023-10-02 add 2
exact $first $last

chapter "an idle copy: it has nothing to say, and HQ holds more than it"
backup $last copy
third=third-machine
twin $third $last copy
office_of[$third]=$o
put $last 2023-10-03 add 30
await drained $last
start $third
into $third 6
await passed $last
put $third 2023-10-03 add 3
exact $first $last $third
punctual aggregator sink $first $last $third
stop_all
