#!/bin/bash
# A clerk's folder: files of every kind are dropped into an inbox, with HQ away, there, and of a newer mind than the office.
. "$(dirname "$0")/lib.sh"
old=$source_tree/catalog/neimenggu
cp -r "$old" "$dir/newer"
sed -i "s/^version: .*/version: 'flow-2'/" "$dir/newer/catalog.yaml"
sed -i 's/^\(ammunition_seized,gunexp,flow,发,rounds,0\),,,/\1,,100,/' "$dir/newer/indicators.csv"
region "$dir/newer"
inbox=$dir/inbox
office 150200 "inbox: $inbox" "catalog: $old"
# A file that may not be read stops root, too, once it has put that power down.
[ "$(id -u)" -ne 0 ] || with=(setpriv "--bounding-set=-dac_override,-dac_read_search")
start 150200

drop() { cat >"$inbox/.$1" && mv "$inbox/.$1" "$inbox/$1"; }
taken() { [ -e "$inbox/done/$1" ]; }
rejected() { [ -e "$inbox/rejected/$1" ]; }
long() { printf 'region,indicator,value\n'; printf '%s\n' "$@"; }
reports() { ask 150200 /api/v1/reports?limit=1000 | jq -r '.reports | length'; }
newest() { ask 150200 "/api/v1/reports?limit=1&period=$1" | jq -r '.reports[0] | "\(.state) \(.action) \(.revision)"'; }
errors_of() { # file, ROW,COLUMN,CODE…: what NAME.errors.csv says, but for the sentences
        local errors=$inbox/rejected/$1.errors.csv
        await rejected "$1"
        is "$(head -n 1 "$errors" | tr -d '\r\357\273\277')" row,column,code,message
        is "$(tail -n +2 "$errors" | cut -d, -f1-3 | paste -sd' ')" "${*:2}"
}
canary=0
passed_over() { # files that a look leaves in the inbox, though it takes one dropped after them
        canary=$((canary + 1))
        long 150203,tips_received,$canary | drop gunexp_2022-01-0$canary.csv
        await taken gunexp_2022-01-0$canary.csv
        for f in "$@"; do [ -e "$inbox/$f" ] || fail "$f was not left alone"; done
}

chapter "good ones, HQ away"
example=$old/example/150200
drop gunexp_2023-09-19.csv <"$example/gunexp_2023-09-19.csv"
iconv -f UTF-8 -t GB18030 <"$example/gunexp_2023-06-30.csv" | sed '1s/^\x84\x31\x95\x33//' | drop gunexp_2023-06-30.csv
drop yearly.csv <"$example/yearly.csv"
echo '{"dataset":"gunexp","period":"2023-07-01","rows":[{"region":"150203","indicator":"firearms_seized","value":"12"}]}' | drop any.json
for f in gunexp_2023-09-19.csv gunexp_2023-06-30.csv yearly.csv any.json; do await taken $f; done
is "$(states 150200)" "$(reports) queued"
yearly=$(tail -n +2 "$example/yearly.csv" | cut -d, -f1,2 | sort -u | wc -l)
is "$(reports)" $((3 + yearly))

chapter "not yet, and never"
long 150203,firearms_seized,1 >"$inbox/gunexp_2023-07-02.csv.part"
exec {growing}>"$inbox/gunexp_2023-07-03.csv"
long 150203,firearms_seized,1 >&"$growing"
ln -s /etc/passwd "$inbox/link.csv"
mkdir "$inbox/folder.csv"
mkfifo "$inbox/fifo.csv"
long 150203,firearms_seized,1 >"$inbox/.secret"
chmod 000 "$inbox/.secret"
mv "$inbox/.secret" "$inbox/gunexp_2023-07-04.csv"
strange=(gunexp_2023-07-02.csv.part gunexp_2023-07-03.csv link.csv folder.csv fifo.csv gunexp_2023-07-04.csv)
passed_over "${strange[@]}"
is "$(ask 150200 /healthz | jq -r '.reasons[] | select(.name == "inbox") | .message')" "gunexp_2023-07-04.csv: Permission denied"
echo 150204,firearms_seized,2 >&"$growing"
passed_over "${strange[@]}"
exec {growing}>&-
mv "$inbox/gunexp_2023-07-02.csv.part" "$inbox/gunexp_2023-07-02.csv"
chmod 644 "$inbox/gunexp_2023-07-04.csv"
for n in 2 3 4; do await taken gunexp_2023-07-0$n.csv; done
is "$(ask 150200 '/api/v1/reports?period=2023-07-03' | jq -r '.reports | length')" 1
await eval '! complains 150200 inbox'

chapter "refused ones"
before=$(reports)
: | drop empty.csv
printf 'region,indicator,value\n' | drop gunexp_2023-07-05.csv
long 150203,firearms_seized,many 150402,firearms_seized,1 159999,firearms_seized,1 150203,firearm_seized,1 150203,knives_seized,-1 \
        150203,hazard_rectification_rate,5 150203,tips_received,1 150203,tips_received,1 | drop gunexp_2023-07-06.csv
long 150200,publicity_events,1 150203,publicity_events,1 | drop gunexp_2023-07-07.csv
long 150203,firearms_seized,1 | drop gunexp_2099-07-06.csv
long 150203,firearms_seized,1 | drop no_such_name.csv
printf 'region,indicator,value\n\377\376\377,\201,\200\n' | drop gunexp_2023-07-08.csv
printf '地区,收缴非法枪支（支）\n昆都仑区,3\n青山区,4\n合计,8\n' | drop gunexp_2023-07-09.csv
printf '{"dataset":' | drop broken.json
errors_of empty.csv ,,empty_file
errors_of gunexp_2023-07-05.csv ,,no_rows
errors_of gunexp_2023-07-06.csv 2,value,not_a_number 3,region,foreign_region 4,region,unknown_region 5,indicator,unknown_indicator \
        6,value,below_min 7,indicator,derived_given 9,region,duplicate_row
errors_of gunexp_2023-07-07.csv 3,region,overlap
errors_of gunexp_2099-07-06.csv ,period,future_period
errors_of no_such_name.csv 1,dataset,missing_column 1,period,missing_column
errors_of gunexp_2023-07-08.csv 2,,encoding
errors_of gunexp_2023-07-09.csv 4,收缴非法枪支（支）,sum_differs
errors_of broken.json ,,encoding
is "$(reports)" "$before"

chapter "what stands is not taken back by chance"
long 150203,firearms_seized,5 | drop gunexp_2023-07-03.csv
await rejected gunexp_2023-07-03.csv
grep -q ',would_withdraw,' "$inbox/rejected/gunexp_2023-07-03.csv.errors.csv" || fail "it did not matter that figures would go"
long 150203,firearms_seized,5 | drop gunexp_2023-07-03_replace.csv
await taken gunexp_2023-07-03_replace.csv
is "$(newest 2023-07-03)" "queued replace 2"
# Dropped again it is a report again; moved back it is the same file, and only put away.
drop gunexp_2023-07-03_replace.csv <"$inbox/done/gunexp_2023-07-03_replace.csv"
await taken gunexp_2023-07-03_replace.2.csv
is "$(newest 2023-07-03)" "queued replace 3"
mv "$inbox/done/gunexp_2023-07-03_replace.2.csv" "$inbox/gunexp_2023-07-03_replace.csv"
await taken gunexp_2023-07-03_replace.2.csv
[ ! -e "$inbox/gunexp_2023-07-03_replace.csv" ] || fail "it is still in the inbox"
is "$(newest 2023-07-03)" "queued replace 3"

chapter "HQ comes, of a newer mind"
long 150203,ammunition_seized,101 150204,ammunition_seized,99 | drop gunexp_2023-07-10.csv
await taken gunexp_2023-07-10.csv
# Two of the example files hold more rounds than the newer catalogue allows on a day, too.
start aggregator
start sink
await drained 150200
errors_of gunexp_2023-07-10.csv ",value,above_max"
[ ! -e "$inbox/done/gunexp_2023-07-10.csv" ] || fail "it is in done/ as well"
is "$(newest 2023-07-10)" "rejected replace 1"
await rejected gunexp_2023-09-19.csv
is "$(total gunexp.firearms_seized 150203 2023-07-03)" "5 exact 1"
is "$(total gunexp.ammunition_seized 150200 2023-07-10)" "  0"

chapter "and the office of the same"
await healthy 150200
long 150203,ammunition_seized,101 | drop gunexp_2023-07-10.csv
await rejected gunexp_2023-07-10.2.csv
is "$(newest 2023-07-10)" "rejected replace 1"
stop aggregator
stop sink
stop 150200
start 150200
long 150203,ammunition_seized,102 | drop gunexp_2023-07-10.csv
await rejected gunexp_2023-07-10.3.csv
long 150203,ammunition_seized,100 | drop gunexp_2023-07-10.csv
await taken gunexp_2023-07-10.csv
start sink
start aggregator
await drained 150200
is "$(newest 2023-07-10)" "accepted replace 1"  # what HQ rejected has no number of its
is "$(total gunexp.ammunition_seized 150000 2023-07-10)" "100 exact 1"
verified
stop_all
