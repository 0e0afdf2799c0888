#!/bin/bash
# An office's outbox comes back from a backup, or is lost (DESIGN.md section 4, rules 7, 8 and 11): nothing is counted twice,
# revisions go on, and what the office had reported with the outbox that is gone still stands at HQ.
. "$(dirname "$0")/lib.sh"
region "$source_tree/catalog/neimenggu"
. "$flow/backups.bash"
o=150200
mkdir "$dir/inbox"
office $o "inbox: $dir/inbox"
office 150400
for name in aggregator sink $o 150400; do start $name; done
put 150400 2023-09-19 replace 1000000

accepted() { ask $o "/api/v1/reports?period=$1" | jq -r '[.reports[] | "\(.state) \(.revision)"] | join(", ")'; }
drop() { # file name, figure: an inbox file, and its row for the oracle
        banner $o
        printf 'region,indicator,value\n%s,firearms_seized,%s\n' "${banner_of[$o]}" "$2" >"$dir/new.csv"
        mv "$dir/new.csv" "$dir/inbox/$1"
}
emptied() { [ -z "$(find "$dir/inbox" -maxdepth 1 -name '*.csv')" ]; }

chapter "a backup with reports that wait"
put $o 2023-09-19 replace 10
put $o 2023-09-20 add 20 0.5
await drained $o
stop aggregator
put $o 2023-09-21 add 1000
put $o 2023-09-19 merge 10 0.7
backup $o waiting
start aggregator
put $o 2023-09-19 replace 11
put $o 2023-09-22 add 300
await drained $o
is "$(streams $o)" 1

chapter "it is restored: what it does not remember still stands, and what it does is counted once"
stop $o
restore $o waiting
start $o
into $o 2
put $o 2023-09-19 add 5
is "$(jq '.receipts[0].revision' "$dir/receipt")" 3 # it remembers two
put $o 2023-09-20 add 1
exact $o
is "$(streams $o)" 2
is "$(accepted 2023-09-19)" "accepted 4, accepted 2, accepted 1" # HQ numbers on
await healthy $o
says "$(ask $o /metrics)" "sumu_streams_opened_total 1"

chapter "it is restored again: a new life of the same outbox"
stop $o
restore $o waiting
start $o
into $o 3
put $o 2023-09-19 add 7
put $o 2023-09-23 add 8
await drained $o
is "$(streams $o)" 3
is "$(accepted 2023-09-19)" "accepted 5, accepted 2, accepted 1"

chapter "HQ is away; reports are taken, a backup is made, the outbox forks, and comes back from that backup"
stop $o
restore $o waiting
stop aggregator
start $o
into $o 4
put $o 2023-09-24 add 4000
put $o 2023-09-25 add 5000
backup $o night
put $o 2023-09-26 add 6000
start aggregator
await drained $o
is "$(streams $o)" 4
put $o 2023-09-24 add 40
await drained $o
stop $o
restore $o night
start $o
into $o 5
put $o 2023-09-25 add 50
exact $o
await sums_up 2023-09-24 4040 # and not 8040: the night's reports were at HQ already, under another number
is "$(streams $o)" 5

chapter "lost: a new stream, a new turn; a file dropped again is a new revision"
drop gunexp_2023-10-01.csv 70
await emptied
echo "$o:f1|gunexp|2023-10-01|replace|${banner_of[$o]}|firearms_seized|70" >>"$dir/rows/$o.5"
await drained $o
stop $o
lose $o
start $o
into $o 6
drop gunexp_2023-10-01.csv 70
await emptied
echo "$o:f2|gunexp|2023-10-01|replace|${banner_of[$o]}|firearms_seized|70" >>"$dir/rows/$o.6"
put $o 2023-10-01 add 7
put $o 2023-09-19 add 3
exact $o
is "$(streams $o)" 6
is "$(accepted 2023-10-01)" "accepted 3, accepted 2"
is "$(sqlite3 -readonly "$(database sink)" "SELECT revision, current FROM report WHERE office = '$o' AND period = '2023-10-01' ORDER BY revision" | paste -sd' ')" "1|0 2|1 3|1"
await healthy $o
await healthy 150400

chapter "a key is remembered by the outbox that heard it"
post() { # key
        curl -sS -o "$dir/answer" -w '%{http_code}' -H 'Content-Type: text/csv' -H "Idempotency-Key: $1" --data-binary \
                "region,indicator,value
${banner_of[$o]},firearms_seized,9" "$(url $o)/api/v1/reports?dataset=gunexp&period=2023-10-09&action=add"
}
is "$(post k1)" 202
echo "$o:k1|gunexp|2023-10-09|add|${banner_of[$o]}|firearms_seized|9" >>"$dir/rows/$o.6"
await drained $o
backup $o keys
put $o 2023-10-10 add 1
await drained $o
stop $o
restore $o keys
start $o
into $o 7
is "$(post k1)" 202
put $o 2023-10-10 add 2
exact $o

chapter "a backup that lacks more verdicts than HQ tells in one message"
heap $o 2022-01-01 230
backup $o untold
await drained $o
put $o 2022-12-31 replace 1
await drained $o
stop $o
restore $o untold
start $o
await drained $o
told_alike $o
is "$(states $o '&state=accepted')" "$(sqlite3 -readonly "$(database $o)" 'SELECT count(*) FROM report') accepted"
is "$(total gunexp.firearms_seized 150000 2022)" "26566 exact 231"
await healthy $o
verified
punctual aggregator sink $o 150400
stop_all
