#!/bin/bash
# Nothing in the program knows Inner Mongolia: an invented country of weeks, halves and years, of codes that are words and
# offices that come and go, reports by every way in; all totals are those of a plain loop, derived figures of plain division.
. "$(dirname "$0")/lib.sh"
seed=${SEED:-$((RANDOM * 32768 + RANDOM + 1))}
echo "SEED=$seed"
# The weeks of the test lie years back, and the lock of `catch` would refuse them.
cp -r "$source_tree/tests/catalogs/atoll" "$dir/catalog"
sed -i 's/, lock: 30d//' "$dir/catalog/datasets.yaml"
region "$dir/catalog"
sumu catalog check "$catalog" >"$dir/checked"
offices=(gov north south-old south stations)
awk -v seed=$((seed % 2147483646 + 1)) -f "$flow/atoll.awk" >"$dir/rows"
start aggregator
start sink
for o in "${offices[@]}"; do
        office "$o" "inbox: $dir/inbox/$o"
        mkdir -p "$dir/inbox/$o"
        start "$o"
        await healthy "$o"
        grep "^$o:" "$dir/rows" >"$dir/rows-$o"
        awk -v catalog="$catalog" -v out="$dir/files/$o" -v how="long wide json inbox" -f "$flow/files.awk" "$dir/rows-$o"
done

chapter "the offices report"
n_reports() { cut -d'|' -f1 "$@" | sort -u | wc -l; }
all_in() { is_all=$(curl -s "$(url "$1")/api/v1/reports?limit=1000" | jq '.reports | length') && [ "$is_all" -eq "$2" ]; }
for o in "${offices[@]}"; do
        # Every fourth file goes through the inbox (files.awk writes it wide), the others over HTTP.
        i=0
        files=()
        for f in "$dir/files/$o"/*/*; do
                i=$((i + 1))
                if [ $((i % 4)) -eq 0 ]; then mv "$f" "$dir/inbox/$o/"; else files+=("$f"); fi
        done
        submit "$o" --wait --timeout "$FLOW_PATIENCE" --format csv "${files[@]}" >"$dir/submitted-$o" || fail "$o could not submit"
done
for o in "${offices[@]}"; do
        await all_in "$o" "$(n_reports "$dir/rows-$o")"
        await drained "$o"
        is "$(states "$o")" "$(n_reports "$dir/rows-$o") accepted"
done
same_as_plainly "$dir"/rows-*

chapter "corrections"
cat >>"$dir/rows-north" <<'END'
north:1001|water|2023-05|merge|N.shore|used|7.5
north:1001|water|2023-05|merge|N.shore|temperature|40
north:1002|catch|2023-W50|add|N.shore|shark|-12.25
north:1002|catch|2023-W50|add|N.reef-1|shark|约3
north:1003|copra|2023-H1|withdraw|||
north:1004|census|2023|replace|N.shore|people|12
north:1005|water|2024-01|withdraw|||
END
sed -n '/^north:1001/,$p' "$dir/rows-north" |
        awk -v catalog="$catalog" -v out="$dir/files/corrections" -v how="long wide json" -f "$flow/files.awk"
submit north --wait --timeout "$FLOW_PATIENCE" "$dir"/files/corrections/*/* >"$dir/submitted" || fail "north could not correct"
same_as_plainly "$dir"/rows-*
verified

chapter "derived figures"
whole() { # indicator, region, period, power of ten: the total as an integer in its smallest unit, nothing where there is none
        plain=$(grep "^$1,$2,$3," "$dir/plain" | cut -d, -f4)
        [ -z "$plain" ] || awk -v v="$plain" -v p="$4" 'BEGIN {printf "%.0f", v * 10 ^ p}'
}
# numerator, denominator, decimals: half to even, in integers; nothing where an operand is missing or the denominator is 0.
divided() {
        awk -v n="$1" -v d="$2" -v p="$3" 'BEGIN {
                if (n == "" || d == "" || d == 0) exit
                if (d < 0) {n = -n; d = -d}
                n *= 10 ^ p
                q = int(n / d); if (q * d > n) q--
                r = 2 * (n - q * d)
                if (r > d || (r == d && q % 2 != 0)) q++
                printf "%.15g", q / 10 ^ p
        }'
}
known=0
derived() { # indicator, region, period, what it has to be
        is "$(total "$1" "$2" "$3" | cut -d' ' -f1)" "$4"
        [ -z "$4" ] || known=$((known + 1))
}
minus() { [ -z "$1" ] || [ -z "$2" ] || echo $(($1 - $2)); }
over_weeks() { # region, weeks…: tuna of all of them, nothing if one is missing
        local r=$1 sum=0 v
        shift
        for w in "$@"; do
                v=$(whole catch.tuna "$r" "$w" 2)
                [ -n "$v" ] || return 0
                sum=$((sum + v))
        done
        echo $sum
}
for r in ATOLL N N.main S; do
        for p in 2023-W44 2023-W50 2024-W02 2023; do
                boats=$(whole catch.boats $r $p 0)
                derived catch.tuna_per_boat $r $p "$(divided "$(whole catch.tuna $r $p 2)" "${boats:+${boats}00}" 3)"
        done
        before=$(over_weeks $r 2023-W47 2023-W48 2023-W49 2023-W50)
        now=$(over_weeks $r 2023-W51 2023-W52 2024-W01 2024-W02)
        derived catch.tuna_trend $r 2024-W02 "$(divided "$(minus "$now" "$before")" "$before" 3 | awk '{printf "%.15g", $1 * 100}')"
        derived catch.tuna_trend $r 2023-W47 ""
        for p in 2023-05 2023-06 2024-01 2023; do
                ago=$(whole water.used $r $((${p%%-*} - 1))"${p#????}" 1)
                now=$(whole water.used $r $p 1)
                derived water.used_yoy $r $p "$(divided "$(minus "$now" "$ago")" "$ago" 4 | awk '{printf "%.15g", $1 * 100}')"
        done
        for p in 2022-H1 2023-H2 2023; do
                tonnes=$(whole copra.tonnes $r $p 1)
                nuts=$(whole copra.nuts $r $p 0)
                derived copra.nuts_per_tonne $r $p "$(divided "${nuts:+${nuts}0}" "$tonnes" 0)"
        done
done
chapter "$known of them are known"
[ $known -ge 20 ] || fail "that is not enough to believe it"

chapter "series, lineage, coverage"
sumu series --indicator catch.tuna --region N --from 2023-W44 --to 2024-W02 --format csv | tr -d '\r' |
        awk -F, 'NR == 1 {for (i = 1; i <= NF; i++) at[$i] = i; next} {print $at["period"] "," $at["value"]}' >"$dir/series"
grep '^catch.tuna,N,' "$dir/plain" | grep -E ',2023-W(4[4-9]|5.)|,2024-W' | cut -d, -f3,4 | diff - "$dir/series" >&2 || fail "the series differs"
facts=$(ask sink '/api/v1/lineage?indicator=water.used&region=ATOLL&period=2023' | jq '[.facts[].value * 10 | round] | add')
is "$facts" "$(whole water.used ATOLL 2023 1)"
covered() { ask sink "/api/v1/coverage?dataset=$1&period=$2" | jq -r '"\(.received) of \(.expected): " + ([.offices[] | select(.state != "not_expected") | .office + " " + .state] | join(", "))'; }
# Every period ended before these offices first met HQ.
is "$(covered water 2022-12)" "3 of 4: gov missing, north imported, south-old imported, stations imported"
is "$(covered water 2023-06)" "4 of 4: gov imported, north imported, south imported, stations imported"
is "$(covered catch 2021-W01)" "2 of 4: gov missing, north imported, south-old imported, harbour missing"
is "$(covered copra 2023-H1)" "1 of 3: gov missing, north missing, south imported"
is "$(covered census 2022)" "3 of 3: gov imported, north imported, south-old imported"

chapter "what has ended, what is another's, what is locked"
refused() { # office, code, what: a report of it is refused with that code
        printf '%s\n' "$4" >"$dir/$3"
        if told=$(submit "$1" "$dir/$3" 2>&1); then fail "it was taken: $1 $3 $4"; fi
        says "$told" "($2)"
        if told=$(sumu check --catalog "$catalog" --office "$1" "$dir/$3" 2>&1); then fail "sumu check lets it pass: $1 $3"; fi
        says "$told" "($2)"
}
csv() { printf 'region,indicator,value\n%s' "$1"; }
refused south-old not_valid_then water_2023-01.csv "$(csv S.kiosk,used,1)"
refused south not_valid_then water_2022-12.csv "$(csv S.kiosk,used,1)"
refused north not_valid_then water_2022-07.csv "$(csv N.reef-2,used,1)"
refused north foreign_region water_2023-01.csv "$(csv S.kiosk,used,1)"
refused stations foreign_dataset copra_2023-H1.csv "$(csv Outpost_7,nuts,1)"
refused north wrong_level catch_2024-W03.csv "$(csv N.shore,boats,1)"
refused north rule copra_2023-H1.csv "$(csv N.shore,nuts,1),$(printf '\nN.shore,tonnes,1')"
refused north wrong_period water_2023-W01.csv "$(csv N.shore,used,1)"
refused north above_max catch_2024-W03.csv "$(csv N.shore,tuna,500.26)"
refused north too_precise catch_2024-W03.csv "$(csv N.shore,tuna,1.001)"
catalog=$source_tree/tests/catalogs/atoll
csv N.shore,tuna,1 >"$dir/catch_2024-W03.csv"
if told=$(sumu check --catalog "$catalog" --office north "$dir/catch_2024-W03.csv" 2>&1); then fail "what is locked was let pass"; fi
says "$told" "(locked)"
stop_all
