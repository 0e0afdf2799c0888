#!/bin/bash
# Two aggregators by mistake (DESIGN.md section 4, rule 9): the same keys, and an address that moves from one to the other, as a
# failover does it, while the first is frozen and not dead. The sink works with one at a time; nothing is lost or counted twice,
# whichever wakes up when, and the one that has lost the sink forgets what it had in memory.
. "$(dirname "$0")/lib.sh"
region "$source_tree/catalog/neimenggu"
. "$flow/backups.bash"
offices=(150200 150400)
a=150200 b=150400

# The first is the aggregator of lib.sh; the second listens elsewhere. Everybody connects to an address in between.
elder=aggregator younger=aggregator-2
port_of[$younger]=$((flow_ports + 6))
listens=$((flow_ports + 1)) feeds=$((flow_ports + 2)) # of the elder; of the younger 60 higher
relayed_listen=$((flow_ports + 71)) relayed_feed=$((flow_ports + 72))
mkdir -p "$dir/state/$younger"
sed -e "s|:$listens\$|:$((listens + 60))|; s|:$feeds\$|:$((feeds + 60))|" -e "s|state/aggregator|state/$younger|" \
        -e "s|^http: .*|http: {listen: 127.0.0.1:${port_of[$younger]}}|" "$dir/conf/aggregator.yaml" >"$dir/conf/$younger.yaml"
sed -i "s|:$feeds\$|:$relayed_feed|" "$dir/conf/sink.yaml"
relay() { # name, port
        setpriv --pdeathsig KILL "$SUMU_BIN/tests/flow/flow_relay" "$2" "$dir/$1" {flow_lock}>&- &
        pid_of[$1]=$!
}
point_to() { # who: new connections go there
        local more=0
        [ "$1" = $elder ] || more=60
        echo $((listens + more)) >"$dir/to-listen"
        echo $((feeds + more)) >"$dir/to-feed"
}
cut_off() { kill -USR1 "${pid_of[to-listen]}" "${pid_of[to-feed]}"; }
move_to() { point_to "$1"; cut_off; }
ready() { [ "$(metric "$1" sumu_ready)" = 1 ]; }
idle() { [ "$(metric "$1" sumu_ready)" = 0 ]; }
terms() { metric sink sumu_term; }
point_to $elder
relay to-listen $relayed_listen
relay to-feed $relayed_feed
for o in "${offices[@]}"; do
        office "$o"
        sed -i "s|:$listens\$|:$relayed_listen|" "$dir/conf/$o.yaml"
done
start $elder
start sink
for o in "${offices[@]}"; do start "$o"; done
numbers=0
busy() { # how many rounds
        local n
        for ((n = 0; n < $1; n++)); do
                numbers=$((numbers + 1))
                put $a "2023-09-$((10 + numbers % 5))" add $((numbers * 3)) "$numbers.5"
                put $b "2023-09-$((10 + numbers % 5))" "$([ $((numbers % 4)) -eq 0 ] && echo replace || echo add)" $((numbers * 1000))
        done
}
busy 4
await drained $a
await drained $b
first_term=$(terms)

chapter "on one machine: the second does not come up"
freeze $elder
sed "s|^http: .*|http: {listen: 127.0.0.1:${port_of[$younger]}}|" "$dir/conf/aggregator.yaml" >"$dir/conf/again.yaml"
status=0
timeout 10 sumu-aggregator --config "$dir/conf/again.yaml" >"$dir/log/again.log" 2>&1 || status=$?
is $status 1
says "$(cat "$dir/log/again.log")" "ddress already in use"
thaw $elder

chapter "on two: the elder is frozen in the midst of reports, the address moves, the younger takes over"
busy 1
freeze $elder
busy 2
start $younger
move_to $younger
await ready $younger
busy 2
exact $a $b
[ "$(terms)" -gt "$first_term" ] || fail "no new term was opened"
thaw $elder
await idle $elder
await complains $elder '"name":"sink"'
busy 2
exact $a $b
is "$(metric sink sumu_flushes_refused_total)" 0

chapter "it moves back: the elder has forgotten what it had, and takes up what the younger did"
busy 1
move_to $elder
await ready $elder
await idle $younger
busy 2
exact $a $b

chapter "only the sink moves: the offices of the other one wait, and lose nothing"
busy 1
point_to $younger
kill -USR1 "${pid_of[to-feed]}"
await ready $younger
await idle $elder
busy 2
is "$(ask $a '/api/v1/reports?state=pending&limit=1' | jq '.reports | length')" 1
cut_off
exact $a $b

chapter "back and forth under load"
for who in $elder $younger $elder $younger; do
        busy 1
        move_to $who
        busy 1
        await ready $who
done
busy 2
exact $a $b
for o in "${offices[@]}"; do is "$(streams "$o")" 1; await healthy "$o"; done
await healthy $younger
punctual $elder $younger sink $a $b
for name in to-listen to-feed; do crash $name; done
stop_all
