#!/bin/bash
# Disks come back from backups, are copied, and are lost (rules 6, 7 and 8 of the conversation): an office's outbox, HQ's store.
# Figures of an `add` tell whether anything was counted twice.
. "$(dirname "$0")/lib.sh"
region "$source_tree/catalog/neimenggu"
o=150200
office $o
office 150400
for name in aggregator sink $o 150400; do start $name; done

put() { # office, period, action, figure: of firearms seized
        local region=$((${1%00} * 100 + 3))
        echo "region,indicator,value
$region,firearms_seized,$4" | curl -sSf -o "$dir/receipt" -H 'Content-Type: text/csv' --data-binary @- \
                "$(url "$1")/api/v1/reports?dataset=gunexp&period=$2&action=$3" || fail "$1 does not take a report"
}
counts() { is "$(total gunexp.firearms_seized 150000 "$1" | cut -d' ' -f1)" "$2"; } # period, figure
state_of() { ask $o "/api/v1/reports?period=$1" | jq -r '[.reports[] | "\(.state) \(.revision)"] | join(", ")'; }
streams() { sqlite3 -readonly "$dir/state/sink/sumu.db" "SELECT count(*) FROM mark WHERE office = '$1'"; }
keep() { rm -rf "${dir:?}/backup-$1" && cp -a "$dir/state/$1" "$dir/backup-$1"; }
give_back() { rm -rf "${dir:?}/state/$1" && cp -a "$dir/backup-$1" "$dir/state/$1"; }
accepted() { [ "$(state_of "$1")" = "$2" ]; }

chapter "an outbox restored from a backup"
put $o 2023-09-19 replace 10
put $o 2023-09-20 add 20
await drained $o
stop aggregator
put $o 2023-09-21 add 1000 # in the backup it still waits
stop $o
keep $o
start aggregator
start $o
put $o 2023-09-19 replace 11
put $o 2023-09-22 add 300
await drained $o
is "$(streams $o)" 1
stop $o
give_back $o
start $o
put $o 2023-09-19 add 5
put $o 2023-09-20 add 1
await drained $o
counts 2023-09-19 16
counts 2023-09-20 21
counts 2023-09-21 1000
counts 2023-09 1337
is "$(streams $o)" 2
# HQ numbers on: what the restored outbox does not know of has its numbers, too.
is "$(state_of 2023-09-19)" "accepted 3, accepted 1"
is "$(state_of 2023-09-21)" "accepted 1"
await healthy $o
verified

chapter "an outbox copied: two of them report"
stop $o
keep $o
start $o
put $o 2023-10-01 add 1
await drained $o
stop $o
mv "$dir/state/$o" "$dir/first"
cp -a "$dir/backup-$o" "$dir/state/$o"
start $o
put $o 2023-10-01 add 10
put $o 2023-10-02 add 100
await drained $o
counts 2023-10 111
is "$(streams $o)" 3
stop $o
# The first comes back: another stream is the last one now.
mv "$dir/state/$o" "$dir/second"
mv "$dir/first" "$dir/state/$o"
start $o
await complains $o not_this_offices_outbox
if told=$(curl -sSf -o /dev/null -H 'Content-Type: text/csv' --data-binary $'region,indicator,value\n150203,firearms_seized,1' \
        "$(url $o)/api/v1/reports?dataset=gunexp&period=2023-10-03" 2>&1); then fail "it takes reports"; fi
says "$told" 422
counts 2023-10 111
verified

chapter "an outbox lost, and found again"
stop $o
mv "$dir/state/$o" "$dir/lost"
mkdir "$dir/state/$o"
start $o
put $o 2023-10-04 replace 1000
put $o 2023-10-01 add 2
await drained $o
counts 2023-10 1113
is "$(streams $o)" 4
await healthy $o
stop $o
# The lost one holds a report that HQ never saw: it is delivered, though nothing new is taken.
rm -rf "${dir:?}/state/$o"
mv "$dir/second" "$dir/state/$o"
stop aggregator
start $o
put $o 2023-10-05 add 20000
start aggregator
await complains $o not_this_offices_outbox
await drained $o
counts 2023-10 21113
is "$(streams $o)" 4

chapter "and taking over"
stop $o
start $o --take-over
await healthy $o
put $o 2023-10-05 add 7
await drained $o
counts 2023-10 21120
is "$(streams $o)" 5
verified

chapter "HQ's store restored from a backup"
put 150400 2023-11-01 add 1
await drained 150400
stop sink
keep sink
start sink
put 150400 2023-11-01 add 2
put $o 2023-11-01 replace 40
put 150400 2023-11-02 add 4
await drained 150400
await drained $o
counts 2023-11 47
crash sink
give_back sink
start sink
total_is() { [ "$(total gunexp.firearms_seized 150000 "$1" | cut -d' ' -f1)" = "$2" ]; }
await total_is 2023-11 47
put 150400 2023-11-02 add 8
put $o 2023-11-01 add 16
await drained 150400
await drained $o
counts 2023-11 71
counts 2023 22528
verified
# Once more, and this time the aggregator has forgotten everything, too.
crash sink
crash aggregator
give_back sink
start aggregator
start sink
await total_is 2023-11 71
await healthy $o
await healthy 150400
counts 2023 22528
verified

chapter "HQ's backup is older than what an office still keeps"
put 150400 2023-12-01 add 1
await drained 150400
stop 150400
office 150400 "outbox: {keep_days: 0}"
start 150400
nothing_kept() { [ "$(ask 150400 /api/v1/reports)" = '{"reports":[]}' ]; }
await nothing_kept
stop sink
give_back sink
start sink
put 150400 2023-12-02 add 2
gap() { complains 150400 gap; }
await gap
counts 2023-12 ""
[ -n "$(ask aggregator /healthz | grep gap)$(ask sink /healthz | grep gap)" ] || fail "HQ does not speak of the gap"
sumu stream skip 150400 >"$dir/skipped" || fail "the gap could not be skipped"
says "$(cat "$dir/skipped")" 150400
stop 150400
start 150400
await total_is 2023-12 2
await healthy 150400
put 150400 2023-12-02 add 4
await total_is 2023-12 6
verified
punctual aggregator sink $o 150400
stop_all
