#!/bin/bash
# HQ's store and offices' outboxes come back from backups at once (DESIGN.md section 4, rules 6 to 8): what either side still holds
# is counted, once, at its place; what both have lost is lost, and only that.
. "$(dirname "$0")/lib.sh"
region "$source_tree/catalog/neimenggu"
. "$flow/backups.bash"
a=150200 b=150400 c=152900
second=second-machine
for o in $a $b $c; do office $o; done
for name in aggregator sink $a $b $c; do start $name; done
passed() { complains "$1" not_this_offices_outbox; }
quiet() { for name in "$@"; do await drained "$name"; done; }

chapter "the store of last night, the outbox of $a of last night, the outbox of $b lost"
for o in $a $b $c; do put $o 2023-09-19 replace 10; done
quiet $a $b $c
backup sink night
put $a 2023-09-20 replace 20
put $a 2023-09-19 add 3
quiet $a
backup $a evening
put $a 2023-09-21 add 77 # after both backups: lost with the disk
put $b 2023-09-20 replace 88 # after HQ's, and the outbox is gone: lost, too
put $c 2023-09-20 replace 40
quiet $a $b $c
for name in sink $a $b; do stop $name; done
restore sink night
restore $a evening
lose $b
unsaid $a 1 77
unsaid $b 1 88
for name in sink $a $b; do start $name; done
into $b 2
put $a 2023-09-20 add 1
put $b 2023-09-20 replace 89 # the office reports anew
put $c 2023-09-20 add 2
exact $a $b $c
is "$(streams $a) $(streams $b) $(streams $c)" "1 2 1" # what HQ has never heard of is no fork

chapter "two machines, and a store of the days before both"
twin $second $b night
lose $second # a new machine for $b, while the old one stands in a corner
stop sink
backup_of_nothing() { lose sink; start sink; }
backup_of_nothing
unsaid $b 1 10 # of the outbox that is lost
is "$(sqlite3 -readonly "$(database $b)" 'SELECT turn FROM stream')" 2
exact $a $b $c
start $second
into $second 3
put $second 2023-09-19 replace 1000
put $second 2023-09-24 replace 1000
exact $a $b $c $second
await passed $b
stop $b
stop sink
crash aggregator
backup_of_nothing
start aggregator
came() { [ "$(streams $b)" = 1 ]; }
await came # the younger machine first
start $b
exact $a $b $c $second
await passed $b
await healthy $second
put $second 2023-09-24 add 2
exact $a $b $c $second
for name in $a $c $second; do await healthy $name; done
punctual aggregator sink $a $b $c $second
stop_all
