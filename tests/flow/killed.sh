#!/bin/bash
# Stopped at awkward moments: three offices hand in reports and corrections, first with HQ away, then while aggregator,
# sink and a collector are killed, and frozen, in turn. Nothing that was answered 202 is lost or counted twice: at the end
# every total is that of a plain loop over what was handed in.
. "$(dirname "$0")/lib.sh"
seed=${SEED:-$((RANDOM * 32768 + RANDOM + 1))}
echo "SEED=$seed"
region "$source_tree/catalog/neimenggu" "memory: 32KiB" # so little that periods are closed and recalled all the time
offices=(150200 150400 152900)
rounds=(away aggregator sink 150200 aggregator sink 150400) # who is killed in a round, and frozen before
for ((i = 0; i < ${MORE:-0}; i++)); do # a night of it: MORE=1000 tests/flow/killed.sh
        victims=(aggregator sink "${offices[@]}")
        rounds+=("${victims[$(((seed + i * 7919) % 5))]}")
done
each=${EACH:-12} # reports of an office in a round

for i in "${!offices[@]}"; do
        o=${offices[$i]}
        office "$o"
        banners=$(awk -F, -v o="$o" '$2 == o {print $1}' "$catalog/regions.csv" | head -n 6 | paste -sd' ')
        awk -v seed=$((seed % 2147483646 + 1 + i)) -v office="$o" -v regions="$o/own $banners" -v reports=$((each * ${#rounds[@]})) \
                -v rows="$dir/rows-$o" -f "$flow/reports.awk" >"$dir/reports-$o"
        echo 0 >"$dir/taken-$o"
done

# A report is handed in until it is answered, with a key of its own: the second try of a taken one takes nothing.
hand_in() { # office, first, last
        local n=$2 status until
        while IFS= read -r report; do
                until=$((SECONDS + FLOW_PATIENCE))
                while :; do
                        status=$(curl -s -o "$dir/answer-$1" -w '%{http_code}' -H 'Content-Type: application/json' \
                                -H "Idempotency-Key: $1-$n" --data-binary @- "$(url "$1")/api/v1/reports" <<<"$report") || true
                        [ "$status" != 202 ] || break
                        [ "$status" = 000 ] || { echo "$1 report $n: $status $(cat "$dir/answer-$1"): $report" >&2; return 1; }
                        [ $SECONDS -lt $until ] || { echo "$1 report $n: nobody there" >&2; return 1; }
                        turn
                done
                echo "$n" >"$dir/taken-$1"
                n=$((n + 1))
        done < <(sed -n "$2,$3p" "$dir/reports-$1")
}
taken() { [ "$(cat "$dir/taken-$1" 2>/dev/null || echo 0)" -ge "$2" ] 2>/dev/null; } # office, number

for o in "${offices[@]}"; do start "$o"; done
first=1
for victim in "${rounds[@]}"; do
        chapter "round: $victim"
        last=$((first + each - 1))
        handing=()
        for o in "${offices[@]}"; do
                hand_in "$o" $first $last &
                handing+=($!)
        done
        bystander=150200
        [ "$victim" != 150200 ] || bystander=150400
        if [ "$victim" != away ]; then
                await taken $bystander $((first + each / 4))
                freeze "$victim"
                await taken $bystander $((first + each / 2))
                thaw "$victim"
                await taken $bystander $((first + each * 2 / 3))
                crash "$victim"
                await taken $bystander "$last"
                start "$victim"
        fi
        for p in "${handing[@]}"; do wait "$p" || fail "a report could not be handed in"; done
        if [ "$victim" = away ]; then
                for o in "${offices[@]}"; do is "$(states "$o")" "$each queued"; done
                start aggregator
                start sink
        fi
        first=$((last + 1))
done

chapter "drained"
for o in "${offices[@]}"; do
        await drained "$o"
        is "$(states "$o")" "$last accepted"
        await healthy "$o"
done
is "$(sqlite3 -readonly "$dir/state/sink/sumu.db" 'SELECT count(*), sum(verdict = "accepted") FROM report')" "$((3 * last))|$((3 * last))"
verified
same_as_plainly "$dir"/rows-*
recalls=$(metric aggregator sumu_recalls_total)
chapter "$recalls recalls since the aggregator was last started"
[ -n "${MORE:-}" ] || [ "$recalls" -gt 10 ] || fail "only $recalls recalls: the aggregator had memory enough"
punctual aggregator sink "${offices[@]}"
stop_all
