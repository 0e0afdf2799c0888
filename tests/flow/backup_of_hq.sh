#!/bin/bash
# HQ's store comes back from a backup (DESIGN.md section 4, rule 6): offices send again what the backup lacks, totals are exact,
# and nobody lifts a hand. The backups are taken while reports come in, as docs/operator.md says.
. "$(dirname "$0")/lib.sh"
cp -r "$source_tree/catalog/neimenggu" "$dir/catalog"
region "$dir/catalog"
. "$flow/backups.bash"
offices=(150200 150400 152900)
for o in "${offices[@]}"; do office "$o"; done
for name in aggregator sink "${offices[@]}"; do start $name; done

busy() { # first, last: reports of all offices, corrections among them
        local n o
        for ((n = $1; n <= $2; n++)); do
                for o in "${offices[@]}"; do
                        put "$o" "2023-09-$((10 + n % 7))" "$([ $((n % 5)) -eq 0 ] && echo replace || echo add)" $((n * 7 + 1)) "$n.$((n % 10))"
                done
        done
}

chapter "two backups under load"
busy 1 6
busy 7 18 &
working=$!
taken() { [ "$(wc -l <"$dir/rows/150200.1")" -ge $1 ]; }
await taken 16
backup sink early
await taken 26
sqlite3 -readonly "$(database sink)" ".backup '$dir/kept/late.db'"
wait $working
reports=54
for o in "${offices[@]}"; do await drained "$o"; done
for kept in early late; do
        is "$(sqlite3 "$dir/kept/$kept.db" 'PRAGMA integrity_check')" ok
        held=$(sqlite3 "$dir/kept/$kept.db" 'SELECT count(*) FROM report')
        [ "$held" -gt 18 ] && [ "$held" -lt 54 ] || fail "the backup \"$kept\" holds $held reports: it was not taken under load"
done
exact "${offices[@]}"

chapter "restored while the aggregator runs on"
before=$(version)
stop sink
restore sink late
start sink
exact "${offices[@]}"
[ "$(version)" -gt "$before" ] || fail "versions went back"
for o in "${offices[@]}"; do await healthy "$o"; done

chapter "restored again, from an older one, in the midst of reports"
busy 19 20
crash sink
cp "$dir/kept/early.db" "$(database sink)" # as the operator does it who forgets the log beside it
status=0
sumu-sink --config "$dir/conf/sink.yaml" >"$dir/log/forgot.log" 2>&1 || status=$?
is $status 1
says "$(cat "$dir/log/forgot.log")" "sumu.db-wal still lies there: move that away"
restore sink early
busy 21 22
start sink
busy 23 24
exact "${offices[@]}"

chapter "restored while the aggregator slept, an office was away, and another was started anew"
stop 150400
freeze aggregator
put 150200 2023-10-02 add 5
crash sink
restore sink early
start sink
thaw aggregator
stop 152900
start 152900
put 152900 2023-10-02 add 70
await sums_up 2023-10-02 75
start 150400
put 150400 2023-10-02 add 900
exact "${offices[@]}"

chapter "restored, and the aggregator has forgotten everything, too"
crash aggregator
crash sink
restore sink late
start sink
start aggregator
exact "${offices[@]}"

chapter "restored, and HQ has a newer catalogue by now: the office is told that its verdict has changed"
put 150200 2023-10-05 replace 5000
await drained 150200
is "$(states 150200 '&period=2023-10-05')" "1 accepted"
stop sink
restore sink late
sed -i "s/^version: .*/version: 'bounded'/" "$dir/catalog/catalog.yaml"
sed -i 's/^\(firearms_seized,gunexp,flow,支,firearms,0\),,,/\1,,4000,/' "$dir/catalog/indicators.csv"
start sink
rejected() { [ "$(states 150200 '&period=2023-10-05')" = "1 rejected" ]; }
await rejected
says "$(ask 150200 '/api/v1/reports?period=2023-10-05')" "4000"
unsaid 150200 1 5000
exact "${offices[@]}"

chapter "no backup at all: the offices hold everything"
stop sink
lose sink
start sink
exact "${offices[@]}"
for o in "${offices[@]}"; do is "$(streams "$o")" 1; await healthy "$o"; done
punctual aggregator sink "${offices[@]}"
stop_all
