#!/bin/bash
# Figures as people write them, and what actions do to what stands: from the office's file to HQ's totals.
. "$(dirname "$0")/lib.sh"
start_hq
start_office 0 alpha

# ---- CONTRACT.md, "A value": each on a day of its own, read back from HQ
values=(
        '452|452 exact' '3,739|3739 exact' '１２３|123 exact' '10.2万|102000 exact' '1.5亿|150000000 exact'
        '5万余|50000 at_least' '5余万|50000 at_least' '10多万|100000 at_least' '500余|500 at_least' '500多|500 at_least'
        '6000以上|6000 at_least' '>=6000|6000 at_least' '≥6000|6000 at_least' '约500|500 about' '~500|500 about'
        '500左右|500 about' '约5万余|50000 about' '452支|452 exact' '10.2万支|102000 exact' '500余支|500 at_least'
        '0|0 exact' ' 452 |452 exact' '1,234,567|1234567 exact' '＞＝６０|60 at_least' '5 万|50000 exact'
)
echo 'dataset,period,region,indicator,value' >"$run/values.csv"
wanted=() day=0
for v in "${values[@]}"; do
        day=$((day + 1))
        printf 'daily,2023-01-%02d,A1,guns,"%s"\n' "$day" "${v%|*}" >>"$run/values.csv"
        wanted+=("${v#*|}")
done
printf 'daily,2023-01-26,A1,bombs,1\ndaily,2023-01-26,A1,guns,-\ndaily,2023-01-27,A1,bombs,1\ndaily,2023-01-27,A1,guns,—\n' >>"$run/values.csv"
printf 'daily,2023-01-28,A1,bombs,1\ndaily,2023-01-28,A1,guns,\n' >>"$run/values.csv"
cli submit --collector "$url" --wait --timeout 60 "$run/values.csv"
is "every form is taken" "0 " "$rc $err"
http "$sink_url/api/v1/series?indicator=daily.guns&region=A1&from=2023-01-01&to=2023-01-28"
for i in "${!values[@]}"; do
        is "${values[$i]%|*}" "${wanted[$i]}" "$(field ".totals[$i]|\"\(.value) \(.qualifier)\"")"
done
for i in 25 26 27; do is "blank is not zero" '[null,null,0]' "$(field ".totals[$i]|[.value,.qualifier,.facts]")"; done

refused=('12,34' '1,2345' ',123' '无' '近500' '不足500' '<500' '≤500' '5%' '-5余' '约-5' '1万2千' '五万' '10-20' '1.2.3' '+5'
        '1e3' '452枚' '5万万' '5余余' 'abc' '0x10' 'NaN' '=5+1' '5/2' '4 5 2')
echo 'dataset,period,region,indicator,value' >"$run/refused.csv"
for v in "${refused[@]}"; do printf 'daily,2023-03-01,A1,balance,"%s"\n' "$v" >>"$run/refused.csv"; done
cli submit --collector "$url" "$run/refused.csv"
is "none of these is taken" 1 "$rc"
for i in "${!refused[@]}"; do
        holds "${refused[$i]}" "$(grep -F ":$((i + 2)):value:" <<<"$err")" '\(not_a_number\)$'
done
is "each is told once" "${#refused[@]}" "$(wc -l <<<"$err")"
holds "the advice for 近" "$(grep ':6:' <<<"$err")" 'bound from below'

# ---- actions
take() { # period, action, format of the rows: exit status, action, revision, rows, withdrawn, state
        printf "$3" >"$run/in.csv"
        cli submit --collector "$url" --wait --timeout 60 --dataset daily --period "$1" --action "$2" --format csv "$run/in.csv"
        told="$rc $(tail -n 1 <<<"$out" | cut -d, -f4-8)"
}
stands() { # period [query]: value and qualifier of guns and bombs in A
        http "$sink_url/api/v1/totals?indicator=daily.guns,daily.bombs&region=A&period=$1${2:-}"
        field '[.totals[]|"\(.value) \(.qualifier)"]|join(", ")'
}
p=2023-07-01
take $p replace 'region,guns,bombs\nA1,10,5余\nA2,20,7\nA/own,1,\n'
is "replace" '0 replace,1,5,0,accepted' "$told"
is "what stands" '31 exact, 12 at_least' "$(stands $p)"
is "own figures alone" '1 exact, null null' "$(stands $p '&own=1')"
take $p merge 'region,guns,bombs\nA1,11,\n'
is "merge" '0 merge,2,1,0,accepted' "$told"
is "sets what it gives, leaves the rest, blanks included" '32 exact, 12 at_least' "$(stands $p)"
take $p add 'region,guns\nA1,-5\nA2,约3\n'
is "add" '0 add,3,2,0,accepted' "$told"
is "adds, may be negative, as exact as the less exact" '30 about, 12 at_least' "$(stands $p)"
take $p add 'region,guns\nA1,-50\n'
holds "add below min of what would stand" "$err" '^[^:]*:2:guns: .*\(below_min\)$'
take $p merge 'region,guns\nA,5\n'
holds "overlap with what stands" "$err" '^[^:]*:2:region: .*\(overlap\)$'
take $p merge 'region,guns\nA11,5\n'
holds "overlap below what stands" "$err" '^[^:]*:2:region: .*\(overlap\)$'
take $p merge 'region,bombs\nA1,5000\n'
holds "a rule on what would stand" "$err" '^[^:]*:2: .*\(rule\)$'
is "what was refused changed nothing" '30 about, 12 at_least' "$(stands $p)"
take $p add 'region,balance\nA21,-7\n'
is "add sets where nothing stands" '0 add,4,1,0,accepted' "$told"
take $p replace 'region,guns\nA1,4\n'
is "replace takes back what it does not give" '0 replace,5,1,5,accepted' "$told"
is "all of it" '4 exact, null null' "$(stands $p)"
cli submit --collector "$url" --wait --dataset daily --period $p --action withdraw --format csv
is "withdraw needs no file" '0 withdraw,6,0,1,accepted' "$rc $(tail -n 1 <<<"$out" | cut -d, -f4-8)"
is "nothing stands: null, not 0" 'null null, null null' "$(stands $p)"
take $p add 'region,guns\nA1/own,3\nA11,4\n'
is "own figures and those of a part" '7 exact, null null' "$(stands $p)"
cli submit --collector "$url" --wait --nil --dataset daily --period 2023-07-02
is "a report of zeros" 0 "$rc"
is "zero is a fact" '0 exact, 0 exact' "$(stands 2023-07-02)"
take 2023-07-03 replace 'region,crowd,note\nA1,9000,开放日\n'
is "explain" '0 replace,1,1,0,accepted' "$told"
http "$sink_url/api/v1/reports?office=alpha&dataset=daily&period=2023-07-03"
is "taken and flagged" '["accepted",["rule"]]' "$(field '.reports[0]|[.verdict,([.flags[].code]|unique)]')"

# ---- the list of the office knows HQ's verdicts
http "$url/api/v1/reports?dataset=daily&period=$p"
is "accepted, each of them" '["accepted"]' "$(field '[.reports[].state]|unique')"
http "$url/healthz"
is "all well" '200 ok' "$status $(field .status)"

# ---- HQ has a newer catalogue: what it refuses comes back with its reason, beside the file too
stop sink
stop aggregator
newer=$run/newer
cp -r "$catalog" "$newer"
sed -i 's/^A12,A1,town,河口镇,Estuary,,/A12,A1,town,河口镇,Estuary,,2022-12-31/' "$newer/regions.csv"
printf 'region,guns\nA12,5\n' >"$run/.f"
mv "$run/.f" "$run/inbox-0/daily_2023-08-01.csv"
until_true "the file is taken while HQ is away" test -e "$run/inbox-0/done/daily_2023-08-01.csv"
http "$url/api/v1/reports?limit=1"
is "queued" queued "$(field '.reports[0].state')"
catalog=$newer
start_hq
until_true "HQ's refusal beside the file" test -e "$run/inbox-0/rejected/daily_2023-08-01.csv.errors.csv"
holds "with its code" "$(cat "$run/inbox-0/rejected/daily_2023-08-01.csv.errors.csv")" ',not_valid_then,'
http "$url/api/v1/reports?state=rejected"
is "and in the list" '["2023-08-01",["not_valid_then"]]' "$(field '.reports[0]|[.period,([.reasons[].code]|unique)]')"
printf 'region,guns\nA12,5\n' >"$run/in.csv"
until_true "HQ's catalogue arrives" sh -c "'$CLI' submit --collector $url --dataset daily --period 2023-08-02 '$run/in.csv' 2>&1 | grep -q not_valid_then"
finish
