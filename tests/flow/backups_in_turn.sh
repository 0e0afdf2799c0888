#!/bin/bash
# First an office's outbox comes back from a backup, then HQ's store from an older one (DESIGN.md section 4, rules 6 and 7): what
# HQ now lacks lies in the stream that the office has left, and is delivered all the same.
. "$(dirname "$0")/lib.sh"
region "$source_tree/catalog/neimenggu"
. "$flow/backups.bash"
a=150200 c=152900
for o in $a $c; do office $o; done
for name in aggregator sink $a $c; do start $name; done
quiet() { for name in "$@"; do await drained "$name"; done; }

chapter "the outbox of $a of noon, then the store of last night"
for o in $a $c; do put $o 2023-09-19 replace 10; done
quiet $a $c
backup sink night
put $a 2023-09-20 replace 20
put $a 2023-09-19 add 3
quiet $a
backup $a noon
put $a 2023-09-21 add 77 # lost to the office; HQ has it
quiet $a
stop $a
restore $a noon
start $a
put $a 2023-09-20 add 1
quiet $a
is "$(streams $a)" 2
stop sink
restore sink night
unsaid $a 1 77 # now it is lost to both
start sink
into $a 2
put $a 2023-09-19 add 4
exact $a $c
for name in $a $c; do await healthy $name; done
punctual aggregator sink $a $c
stop_all
