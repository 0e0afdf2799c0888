#!/bin/bash
# The routes of CONTRACT.md, "Sink, HTTP": what is asked is what is answered, in the order asked, and what is wrong is named.
source "$(dirname "$0")/lib.sh"
hq_start
office_start hq a b

report a 2023-01-15 d replace "A1 flow 1" "A2 flow 2余" "A1 stock 5"
report b 2023-01-16 d replace "B1 flow 3" "B2x flow 4" "B2/own flow 约5" "B2y stock 6"
report hq 2023-01-17 d replace "R/own flow 7"
report a 2023-W03 w replace "A1 total 30" "A1 boats 2"
report b 2023-01 m replace "B1 count 9"
settle

# the shape
ask "/api/v1/totals?indicator=flow&period=2023-01"
same "status" 200 "$status"
same "the keys of an answer" '["as_of","totals","version"]' "$(field 'keys')"
same "the keys of an entry" '["facts","indicator","offices","partial","period","qualifier","region","value"]' "$(field '.totals[0]|keys')"
same "offices" '{"expected":4,"received":3,"complete":0}' "$(field '.totals[0].offices')"
same "the root where no region is named" '"R"' "$(field '.totals[0].region')"
holds "as_of is RFC 3339 in UTC with milliseconds" grep -qE '"as_of":"20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{3}Z"' <<<"$body"
holds "the version is a number" test "$(field .version)" -gt 1600000000000000
holds "it is JSON" grep -qi '^content-type: application/json' <(curl -si "$sink/api/v1/totals?indicator=flow&period=2023-01" | tr -d '\r')

# order: indicator, region, period; as asked
ask "/api/v1/totals?indicator=stock,d.flow&region=B,A&period=2023-01-16,2023-01"
same "order and echo" '["stock B 2023-01-16","stock B 2023-01","stock A 2023-01-16","stock A 2023-01","d.flow B 2023-01-16","d.flow B 2023-01","d.flow A 2023-01-16","d.flow A 2023-01"]' \
        "$(field '[.totals[]|"\(.indicator) \(.region) \(.period)"]')"
same "their values" '[6,6,null,5,12,12,null,3]' "$(field '[.totals[].value]')"
ask "/api/v1/totals?indicator=flow&period=2023-01&children=1"
same "children after the region, in the order of the catalogue" '["R","B","A","C"]' "$(field '[.totals[].region]')"
same "and their figures" '[22,12,3,null]' "$(field '[.totals[].value]')"
ask "/api/v1/totals?indicator=flow&region=B2&period=2023-01&children=1&own=1"
same "own with children" '["B2 5","B2x 4","B2y null"]' "$(field '[.totals[]|"\(.region) \(.value)"]')"
same "own is said" 'true' "$(field '.totals[0].own')"
ask "/api/v1/totals?indicator=flow&region=A1&period=2023-01&children=1"
same "a region without children" '["A1"]' "$(field '[.totals[].region]')"

# names
total "an indicator's Chinese name" "22 about 6" "indicator=%E6%97%A5%E6%B5%81%E9%87%8F&period=2023-01"
same "echoed as asked" '"日流量"' "$(field '.totals[0].indicator')"
total "an indicator's English name" "22 about 6" "indicator=Daily%20flow&period=2023-01"
total "a region's name" "12 about 3" "indicator=flow&region=%E4%B9%99%E5%B8%82&period=2023-01"
same "a region is answered by its code" '"B"' "$(field '.totals[0].region')"
refused "a name of two regions" 422 ambiguous_name "/api/v1/totals?indicator=flow&region=East&period=2023-01"
refused "a code in two datasets" 422 ambiguous_name "/api/v1/totals?indicator=count&period=2023-01"
refused "an unknown indicator" 404 unknown_indicator "/api/v1/totals?indicator=flwo&period=2023-01"
holds "the nearest is named" grep -q 'flow' <<<"$body"
refused "one of several unknown" 404 unknown_indicator "/api/v1/totals?indicator=flow,d.nothing&period=2023-01"
refused "an unknown region" 404 unknown_region "/api/v1/totals?indicator=flow&region=Z9&period=2023-01"
refused "an unknown dataset" 404 unknown_dataset "/api/v1/coverage?dataset=z&period=2023-01"
refused "an unknown office" 404 unknown_office "/api/v1/reports?office=z"

# periods
for p in 2023-01-16 2023-W03 2023-01 2023-Q1 2023-H1 2023 2023-01-16/2023-01-16 2023-01-16%2F2023-02-01; do
        total "period $p" "12 about 3" "indicator=flow&region=B&period=$p"
        same "echoed" "\"${p/\%2F//}\"" "$(field '.totals[0].period')"
done
for p in 2023-13 2023-02-29 2023-W53 2023-Q5 2023-H3 23 2023-1 2023-01-16/2023-01-15 2023-01-01/2123-01-02 2023-01/2023-02 x '' 2023-01-01/ 0000-00-00 2023-01-01T00:00:00Z; do
        refused "period '$p'" 400 malformed "/api/v1/totals?indicator=flow&period=$p"
done
for q in indicator=total\&period=2023-01 indicator=total\&period=2023-Q1 indicator=total\&period=2023-01-18 indicator=m.count\&period=2023-01-15 indicator=m.count\&period=2023-W03 \
        indicator=q.count\&period=2023-01 indicator=nuts\&period=2023-Q1 indicator=people\&period=2023-H1 indicator=flow,total\&period=2023-01; do
        refused "a period that is not held" 422 period_not_held "/api/v1/totals?$q"
done
ask "/api/v1/totals?indicator=total&period=2023-01-16/2023-01-22"
same "a span of one week is whole" 'false 30' "$(jq -r '.totals[0]|"\(.partial) \(.value)"' <<<"$body")"
ask "/api/v1/totals?indicator=total&period=2023-01-15/2023-01-23"
same "a boundary cuts a week" 'true 30' "$(jq -r '.totals[0]|"\(.partial) \(.value)"' <<<"$body")"
ask "/api/v1/totals?indicator=total&period=2023-01-17/2023-01-22"
same "no week is whole" 'true null' "$(jq -r '.totals[0]|"\(.partial) \(.value)"' <<<"$body")"
ask "/api/v1/totals?indicator=m.count&period=2023-01-01/2023-02-01"
same "a month and a day" 'true 9' "$(jq -r '.totals[0]|"\(.partial) \(.value)"' <<<"$body")"
ask "/api/v1/totals?indicator=flow&period=1950-01-01/2049-12-31"
same "a hundred years of days" '22' "$(field '.totals[0].value')"

# as_of: by version, by time; goes by receipt at HQ
ask "/api/v1/totals?indicator=flow&period=2023-01"
v1=$(field .version) t1=$(field .as_of | tr -d '"')
report a 2023-01-15 d merge "A1 flow 1001"
settle
report b 2023-01-16 d withdraw
settle
total "now" "1010 at_least 3" "indicator=flow&period=2023-01"
v2=$(field .version)
holds "versions grow" test "$v2" -gt "$v1"
total "as of a version" "22 about 6" "indicator=flow&period=2023-01&as_of=$v1"
same "the version asked for" "$v1" "$(field .version)"
total "as of a time" "22 about 6" "indicator=flow&period=2023-01&as_of=$t1"
total "as of a time in another zone" "22 about 6" "indicator=flow&period=2023-01&as_of=$(date -u -d "$t1 + 8 hours" +%Y-%m-%dT%H:%M:%S.999 | cut -c1-19)%2B08:00"
total "with the + as people write it" "1010 at_least 3" "indicator=flow&period=2023-01&as_of=2099-01-01T08:00:00+08:00"
total "before anything" "null null 0" "indicator=flow&period=2023-01&as_of=2020-01-01T00:00:00Z"
total "between the two" "1022 about 6" "indicator=flow&period=2023-01&as_of=$((v2 - 1))"
total "now, by its version" "1010 at_least 3" "indicator=flow&period=2023-01&as_of=$v2"
total "in a year's time" "1010 at_least 3" "indicator=flow&period=2023-01&as_of=2099-01-01T00:00:00Z"
for t in yesterday 2023-13-01T00:00:00Z -5 1e9 99999999999999999999; do
        refused "as_of $t" 400 malformed "/api/v1/totals?indicator=flow&period=2023-01&as_of=$t"
done

# series
ask "/api/v1/series?indicator=flow&region=A&from=2023-01-14&to=2023-01-16"
same "a series, by the dataset's rhythm" '["2023-01-14 null","2023-01-15 1003","2023-01-16 null"]' "$(field '[.totals[]|"\(.period) \(.value)"]')"
ask "/api/v1/series?indicator=flow&from=2022-Q4&to=2023-Q2&every=quarter"
same "a series of quarters" '["2022-Q4 null","2023-Q1 1010","2023-Q2 null"]' "$(field '[.totals[]|"\(.period) \(.value)"]')"
ask "/api/v1/series?indicator=total&from=2020-W52&to=2021-W02"
same "weeks over a long year" '["2020-W52","2020-W53","2021-W01","2021-W02"]' "$(field '[.totals[].period]')"
ask "/api/v1/series?indicator=flow&from=2000-01-01&to=2027-05-18"
same "10,000 entries" '200 10000' "$status $(field '.totals|length')"
refused "10,001 entries" 422 too_many_entries "/api/v1/series?indicator=flow&from=2000-01-01&to=2027-05-19"
refused "from a month, every day" 400 malformed "/api/v1/series?indicator=flow&from=2023-01&to=2023-02"
refused "a rhythm that is none" 400 malformed "/api/v1/series?indicator=flow&from=2023&to=2023&every=decade"
refused "backwards" 400 malformed "/api/v1/series?indicator=flow&from=2023-02-01&to=2023-01-01"
refused "without from" 400 malformed "/api/v1/series?indicator=flow&to=2023-01-01"
refused "months of a weekly dataset" 422 period_not_held "/api/v1/series?indicator=total&from=2023-01&to=2023-02&every=month"

# lineage
report b 2023-01-18 d replace "B1 flow 3" "B2x flow 4" "B2y flow 5" "B1 stock 1" "B2x stock 2"
report b 2023-01-19 d replace "B1 stock 10"
settle
ask "/api/v1/lineage?indicator=flow&region=B&period=2023-01"
same "the facts of a total" '["b B1 2023-01-18 3","b B2x 2023-01-18 4","b B2y 2023-01-18 5"]' "$(field '[.facts[]|"\(.office) \(.region) \(.period) \(.value)"]|sort')"
same "their keys" '["office","period","qualifier","received_at","region","revision","seq","stream","submitted_at","value"]' "$(field '.facts[0]|keys')"
same "the total beside" '12' "$(field .total.value)"
same "no more" 'null' "$(field .next)"
ask "/api/v1/lineage?indicator=stock&region=B&period=2023"
same "of a stock the fact of each region that counts" '["B1 2023-01-19 10","B2x 2023-01-18 2"]' "$(field '[.facts[]|"\(.region) \(.period) \(.value)"]|sort')"
ask "/api/v1/lineage?indicator=flow&region=A&period=2023"
same "a merged report: each fact from the one that set it" '["A1 1001 2","A2 2 1"]' "$(field '[.facts[]|"\(.region) \(.value) \(.revision)"]|sort')"
same "as many facts as the total says" "$(field .total.facts)" "$(field '.facts|length')"
after='' seen=''
for i in 1 2 3 4 5 6 7; do
        ask "/api/v1/lineage?indicator=flow&period=2023&limit=1&after=$after"
seen="$seen$(jq -r '.facts[]|"\(.region)=\(.value) "' <<<"$body")"
        [ "$i" -eq 2 ] && { report a 2023-01-20 d replace "A1 flow 1"; settle; }
        after=$(jq -r '.next // empty' <<<"$body")
        [ -n "$after" ] || break
done
same "page by page, of the moment of the first" "6 A1=1001 A2=2 B1=3 B2x=4 B2y=5 R=7" "$i $(tr ' ' '\n' <<<"$seen" | grep . | sort | tr '\n' ' ' | sed 's/ $//')"
for q in limit=0 limit=x limit=100000000 after=zz; do refused "lineage $q" 400 malformed "/api/v1/lineage?indicator=flow&period=2023&$q"; done
ask "/api/v1/lineage?indicator=per&region=B&period=2023-01-18"
holds "of a derived figure its operands" test "$(field '[.facts[].indicator]|unique')" = '["d.flow","d.stock"]'
refused "of several indicators" 400 malformed "/api/v1/lineage?indicator=flow,stock&period=2023"

# reports
report b 2023-06 k replace "B1 grain 10" "B1 straw 20"
settle
ask "/api/v1/reports?limit=3"
same "newest first" '["k 2023-06","d 2023-01-20","d 2023-01-19"]' "$(field '[.reports[]|"\(.dataset) \(.period)"]')"
same "what it tells" 'true accepted [] replace' "$(jq -r '.reports[0]|"\(.current) \(.verdict) \(.reasons) \(.action)"' <<<"$body")"
ask "/api/v1/reports?office=a&dataset=d&period=2023-01-15"
same "of an office, a dataset and a period" '["2 merge true","1 replace true"]' "$(field '[.reports[]|"\(.revision) \(.action) \(.current)"]')"
ask "/api/v1/reports?office=b&dataset=d&period=2023-01-16"
same "what was replaced was accepted, and is not current" '["2 withdraw accepted true","1 replace accepted false"]' "$(field '[.reports[]|"\(.revision) \(.action) \(.verdict) \(.current)"]')"
ask "/api/v1/reports?verdict=rejected"
same "none rejected" '[]' "$(field .reports)"
ask "/api/v1/reports?current=0"
same "not current" 1 "$(field '.reports|length')"
refused "a verdict that is none" 400 malformed "/api/v1/reports?verdict=maybe"

# a rule that explains takes the report and flags it
report a 2023-W04 w replace "A1 total 1" "A1 boats 2"
settle
ask "/api/v1/reports?dataset=w&period=2023-W04" -H 'Accept-Language: zh-CN,zh;q=0.9,en;q=0.8'
same "flagged" 'accepted rule' "$(jq -r '.reports[0]|"\(.verdict) \(.flags[0].code)"' <<<"$body")"
holds "in Chinese" grep -q '请说明' <<<"$body"
ask "/api/v1/reports?dataset=w&period=2023-W04" -H 'Accept-Language: en'
holds "in English" grep -q 'please explain' <<<"$body"

# the catalogue
ask /api/v1/catalog
same "the catalogue" '["R","B","A","C","B1","B2","A2","A1","C1","B2x","B2y"] 7 26 5 2 one Asia/Shanghai' \
        "$(jq -rc '"\([.regions[].code]) \(.datasets|length) \(.indicators|length) \(.offices|length) \(.rules|length) \(.version) \(.timezone)"' <<<"$body")"

# errors
refused "no indicator" 400 malformed "/api/v1/totals?period=2023"
refused "no period" 400 malformed "/api/v1/totals?indicator=flow"
refused "a key twice" 400 malformed "/api/v1/totals?indicator=flow&indicator=stock&period=2023"
refused "a bad escape" 400 malformed "/api/v1/totals?indicator=flow%2&period=2023"
refused "not UTF-8" 400 malformed "/api/v1/totals?indicator=%ff&period=2023"
refused "a NUL" 400 malformed "/api/v1/totals?indicator=%00&period=2023"
refused "no such address" 404 not_found "/api/v1/total"
refused "another method" 405 method_not_allowed "/api/v1/totals?indicator=flow&period=2023" -X DELETE
refused "a body" 405 method_not_allowed "/api/v1/catalog" -X POST -d x
head -c 200000 /dev/zero >"$work/large"
refused "a large body" 413 too_large "/api/v1/streams/skip?office=a" -X POST --data-binary @"$work/large"
refused "a foreign Host" 403 foreign_host "/api/v1/catalog" -H 'Host: evil.example'
refused "a page of another site" 403 foreign_origin "/api/v1/streams/skip?office=a" -X POST -H "Origin: http://evil.example"
ask "/api/v1/totals?indicator=z&period=2023" -H 'Accept-Language: zh'
holds "errors in Chinese" grep -q '没有名为' <<<"$body"
ask "/api/v1/totals?indicator=z&period=2023" -H 'Accept-Language: en-GB,zh;q=0.1'
holds "errors in English" grep -q 'no indicator is called' <<<"$body"
ask "/api/v1/totals?indicator=flow&period=2023" -I
same "HEAD" 200 "$status"
refused "a name of 20,000 characters" 404 unknown_indicator "/api/v1/totals?indicator=$(head -c 20000 /dev/zero | tr '\0' a)&period=2023"
