#!/bin/bash
# One catalogue: HQ's. A new one is refused while a standing fact would lose something by it; one that is taken reaches the
# offices, in pieces where it is large, and is what an office without a folder works with.
source "$(dirname "$0")/lib.sh"
cp -r "$here/catalog" "$work/first"
# large enough for several pieces of 64 KiB
awk 'BEGIN {for (i = 0; i < 4000; i++) printf "T%d,C1,town,远方的第%d个苏木,The far sum number %d,,\n", i, i, i}' >>"$work/first/regions.csv"
hq_start "$work/first"
office_start a c
known() { [[ $(curl -s -o "$work/known" -w '%{http_code}' -d "$2" -H 'Content-Type: application/json' "${url[$1]}/api/v1/reports?dry_run=1") == "$3" ]]; }
row() { printf '{"dataset":"%s","period":"%s","rows":[{"region":"%s","indicator":"%s","value":"%s"}]}' "$@"; }
await "the catalogue came in pieces" known c "$(row d 2023-03-01 T3999 flow 1)" 202
report c 2023-03-01 d replace "T3999 flow 1"
report c 2023-03-01 w replace "C1 total 1" 2>/dev/null && same "a day of a weekly dataset" refused taken
report a 2023-03-01 d replace "A1 flow 1" "A1 kilos 1.25"
report a 2023-W09 w replace "A1 total 1"
report a 2023-03-02 d replace "A2 flow 1"
report a 2023-03-02 d withdraw
settle
total "a far one" "2 exact 2" "indicator=flow&period=2023-03"

digest() { curl -s "$sink/api/v1/catalog" | jq -r .digest; }
one=$(digest)
same "the digest is the folder's" "${one:0:16}" "$(sumu catalog check "$work/catalog" 2>/dev/null | grep -o '[0-9a-f]*$')"

try() { # what, sed script, file: a catalogue that has to be refused, and the fact in the way named
        cp "$work/catalog/$3" "$work/kept"
        sed -i "$2" "$work/catalog/$3"
        sumu catalog check "$work/catalog" >"$work/out" 2>"$work/err" || same "$1: sound in itself" yes "$(grep -v warning "$work/err")"
        : >"$work/log/sink.log"
        kill -HUP "${pid[sink]}"
        said() { grep -q 'the new catalogue is refused' "$work/log/sink.log"; }
        await "$1: refused" said
        holds "$1: the facts in the way are named" grep -qE 'office a, 2023-(03-01|W09), region A1' "$work/log/sink.log"
        ill() { [ "$(curl -s "$sink/healthz" | jq -r .status)" = failing ]; }
        await "$1: it shows" ill
        same "$1: healthz says so" "503 failing" "$(curl -s -o "$work/body" -w '%{http_code}' "$sink/healthz") $(jq -r .status "$work/body")"
        same "$1: the old one stays" "$one" "$(digest)"
        cp "$work/kept" "$work/catalog/$3"
}
try "a region lost" '/^A1,/d' regions.csv
try "another parent" 's/^A1,A,/A1,B,/' regions.csv
try "outside its office's scope" 's/^a,A,subtree,/a,A,self,/' offices.csv
try "a dataset not its office's" 's/^a,A,subtree,\*/a,A,subtree,d/' offices.csv
try "an office lost" '/^a,/d' offices.csv
try "an office's validity that leaves it out" 's/^a,A,subtree,\*,甲市办公室,Office of Ay,,/&2023-02-28/' offices.csv
try "an indicator lost" '/^kilos,/d' indicators.csv
try "another kind" 's/^kilos,d,flow/kilos,d,peak/' indicators.csv
try "another unit" 's/公斤/吨/' indicators.csv
try "other decimals" 's/^\(kilos,d,flow,公斤,kg\),2/\1,3/' indicators.csv
try "another rhythm" 's/code: w, name_zh: 周报, name_en: Weekly, every: week/code: w, name_zh: 周报, name_en: Weekly, every: month/' datasets.yaml
try "a validity that leaves it out" 's/^A1,A,county,甲一县,First County,,/A1,A,county,甲一县,First County,,2023-02-28/' regions.csv

kill -HUP "${pid[sink]}"
well() { [ "$(curl -s "$sink/healthz" | jq -r .status)" = ok ]; }
await "the folder as it was: well again" well

# a folder with faults: the old one stays as well
cp "$work/catalog/regions.csv" "$work/kept"
echo 'X,NOWHERE,county,某县,Some County,,' >>"$work/catalog/regions.csv"
kill -HUP "${pid[sink]}"
await "faults are shown" ill
same "the old one stays" "$one" "$(digest)"
cp "$work/kept" "$work/catalog/regions.csv"

# what touches no standing fact is taken, and the offices have it without a restart
sed -i 's/^A1,A,county,甲一县,First County,,/A1,A,county,甲一县,First County,,2023-03-31/; s/^A2,A,county,东县,East,,/A2,B,county,东县,East,,/' "$work/catalog/regions.csv"
sed -i '/^total,w/s/^total,w,flow,件,items,0,,/total,w,flow,件,items,0,,50/; /^straw/a chaff,k,flow,吨,t,0,,,糠,Chaff,,' "$work/catalog/indicators.csv"
sed -i "s/^version: .*/version: 'two'/" "$work/catalog/catalog.yaml"
kill -HUP "${pid[sink]}"
two() { [ "$(curl -s "$sink/api/v1/catalog" | jq -r .version)" = two ]; }
await "the second is in force" two
await "an office has the new indicator" known a "$(row k 2023-03 A1 chaff 1)" 202
await "and the new bound" known a "$(row w 2023-W10 A1 total 51)" 422
same "above_max" above_max "$(jq -r '.errors[0].code' "$work/known")"
await "a region that ended" known a "$(row d 2023-04-01 A1 flow 1)" 422
same "not_valid_then" not_valid_then "$(jq -r '.errors[0].code' "$work/known")"
await "a region that is another office's now" known a "$(row d 2023-03-01 A2 flow 1)" 422
same "foreign_region" foreign_region "$(jq -r '.errors[0].code' "$work/known")"
total "what stood stands" "2 exact 2" "indicator=flow&period=2023-03"
report a 2023-03-31 d replace "A1 flow 5"
report a 2023-03 k replace "A1 chaff 7"
settle
total "the region that ended, before" "7 exact 3" "indicator=flow&period=2023-03"
total "the new indicator" "7 exact 1" "indicator=chaff&period=2023"

# what stood before is read by the catalogue that held then, also when what it names is gone
before=$(field .version)
report a 2023-03-01 d withdraw
settle
sed -i '/^kilos,/d' "$work/catalog/indicators.csv"
sed -i "s/^version: .*/version: 'three'/" "$work/catalog/catalog.yaml"
kill -HUP "${pid[sink]}"
three() { [ "$(curl -s "$sink/api/v1/catalog" | jq -r .version)" = three ]; }
await "the third is in force" three
refused "an indicator that is gone" 404 unknown_indicator "/api/v1/totals?indicator=kilos&period=2023-03"
total "as it stood then" "1.25 exact 1" "indicator=kilos&period=2023-03&as_of=$before"
total "and what was beside it" "7 exact 3" "indicator=flow&period=2023-03&as_of=$before"
ask "/api/v1/catalog?as_of=$before"
same "the catalogue of then" two "$(field .version | tr -d '"')"
report a 2023-03-01 d replace "A1 flow 1"
settle

# the catalogue survives in the store: a sink without a folder works with it; the office keeps it for days without a line
stop sink; stop aggregator; stop a
mv "$work/catalog" "$work/elsewhere"
sed -i '/^catalog:/d' "$work/conf/sink.yaml"
start a sumu-collector "${url[a]}"
holds "an office alone still knows the catalogue" known a "$(row k 2023-04 A/own chaff 1)" 202
start aggregator sumu-aggregator "$aggregator"
start sink sumu-sink "$sink"
same "from the store" three "$(curl -s "$sink/api/v1/catalog" | jq -r .version)"
total "figures too" "7 exact 3" "indicator=flow&period=2023-03"

# another catalogue at the start is judged as at a reload
cp -r "$work/elsewhere" "$work/catalog"
sed -i '/^A1,/d' "$work/catalog/regions.csv"
stop sink
echo "catalog: $work/catalog" >>"$work/conf/sink.yaml"
start sink sumu-sink "$sink"
same "refused at the start, too" "three failing" "$(curl -s "$sink/api/v1/catalog" | jq -r .version) $(curl -s "$sink/healthz" | jq -r .status)"
