#!/bin/bash
# The store as SQL sees it, sums beyond 64 bits, `sumu verify`, and the command line on HQ's side.
source "$(dirname "$0")/lib.sh"
hq_start
office_start hq a b
db() { sqlite3 -readonly "$work/state/sumu.db" "$@"; }
expanded() { [[ $(curl -s "$sink/metrics") == *$'\nsumu_facts_behind 0'* ]]; }

report a 2023-02-01 d replace "A1 flow 5" "A1 kilos 1.5" "A2 kilos 约2.25" "A/own flow 1余"
report a 2023-02-02 d replace "A1 flow 7" "A1 stock 9" "A2 peak -4"
report a 2023-02-02 d merge "A2 peak 3"
report b 2023-02-01 d replace "B2x flow 11"
report b 2023-W05 w replace "B1 total 3"
report hq 2023-02 m replace "R level -1.5"
report b 2023-02-03 d replace "B1 flow 1"
report b 2023-02-03 d withdraw
settle
await "facts are expanded" expanded

columns() { db "SELECT group_concat(name) FROM pragma_table_info('$1')"; }
same "columns of total" "indicator,region,period,value,qualifier,facts,version,updated_at" "$(columns total)"
same "columns of fact" "office,dataset,period,region,indicator,value,qualifier,revision" "$(columns fact)"
same "columns of report" "office,stream,turn,seq,dataset,period,revision,action,submitted_at,received_at,verdict,reasons,current" "$(columns report)"
same "columns of mark" "office,stream,turn,seq" "$(columns mark)"
same "totals of a region with children, in base periods, months, quarters, halves and years" "2023 2023-02 2023-02-01 2023-02-02 2023-H1 2023-Q1" \
        "$(db "SELECT group_concat(period, ' ') FROM (SELECT period FROM total WHERE indicator = 'd.flow' AND region = 'A' ORDER BY period)")"
same "no totals of leaves, none derived, none of weeks of daily data" "" "$(db "SELECT * FROM total WHERE region IN ('A1','A2','B1','B2x') OR indicator = 'd.per' OR indicator LIKE 'd.%' AND period LIKE '%W%'")"
same "a total" "d.flow|R|2023-02|24|at_least|4|integer" "$(db "SELECT indicator, region, period, value, qualifier, facts, typeof(value) FROM total WHERE indicator = 'd.flow' AND region = 'R' AND period = '2023-02'")"
same "decimals are REAL" "3.75|about|real" "$(db "SELECT value, qualifier, typeof(value) FROM total WHERE indicator = 'd.kilos' AND region = 'R' AND period = '2023'")"
same "negative decimals" "-1.5|real" "$(db "SELECT value, typeof(value) FROM total WHERE indicator = 'm.level' AND region = 'R' AND period = '2023-02'")"
same "updated_at is a time, version grows with it" "1" "$(db "SELECT count(*) = sum(updated_at GLOB '20??-??-??T??:??:??.???Z' AND version > 1600000000000000) FROM total")"
same "facts" "a|d|2023-02-01|A|d.flow|1|at_least|1
a|d|2023-02-01|A1|d.flow|5|exact|1
a|d|2023-02-01|A1|d.kilos|1.5|exact|1
a|d|2023-02-01|A2|d.kilos|2.25|about|1
a|d|2023-02-02|A1|d.flow|7|exact|2
a|d|2023-02-02|A1|d.stock|9|exact|2
a|d|2023-02-02|A2|d.peak|3|exact|2
b|d|2023-02-01|B2x|d.flow|11|exact|1
b|w|2023-W05|B1|w.total|3|exact|1
hq|m|2023-02|R|m.level|-1.5|exact|1" "$(db "SELECT * FROM fact ORDER BY office, dataset, period, region, indicator")"
same "types of facts" "integer real" "$(db "SELECT group_concat(DISTINCT typeof(value)) FROM fact WHERE indicator = 'd.flow'") $(db "SELECT group_concat(DISTINCT typeof(value)) FROM fact WHERE indicator = 'd.kilos'")"
same "reports" "a|1|1|d|2023-02-01|1|replace|accepted||1
a|1|2|d|2023-02-02|1|replace|accepted||1
a|1|3|d|2023-02-02|2|merge|accepted||1
b|1|1|d|2023-02-01|1|replace|accepted||1
b|1|2|w|2023-W05|1|replace|accepted||1
b|1|3|d|2023-02-03|1|replace|accepted||0
b|1|4|d|2023-02-03|2|withdraw|accepted||1
hq|1|1|m|2023-02|1|replace|accepted||1" "$(db "SELECT office, turn, seq, dataset, period, revision, action, verdict, reasons, current FROM report ORDER BY office, seq")"
same "a stream is 16 hex digits" "1" "$(db "SELECT min(stream GLOB '$(printf '[0-9a-f]%.0s' {1..16})') FROM report")"
same "marks" "a|1|3
b|1|4
hq|1|1" "$(db "SELECT office, turn, seq FROM mark ORDER BY office")"
same "withdrawn totals are absent" "" "$(db "SELECT * FROM total WHERE period = '2023-02-03'")"

# beyond 64 bits: three years of the largest value, in eleven regions
{
        echo 'dataset,period,region,indicator,value'
        for i in $(seq 0 1199); do printf '%s\n' "$i"; done | awk '{
                day = strftime("%Y-%m-%d", 1546300800 + $1 * 86400, 1)
                for (r = split("A A1 A2", region, " "); r > 0; r--) print "d," day "," (region[r] == "A" ? "A/own" : region[r]) ",flow,1000000000000000"
                for (r = split("A A1 A2", region, " "); r > 0; r--) print "d," day "," (region[r] == "A" ? "A/own" : region[r]) ",peak,-1000000000000000" }'
} >"$work/large.csv"
sed 's/A\/own/B\/own/; s/,A1,/,B1,/; s/,A2,/,B2\/own,/' "$work/large.csv" >"$work/large_b.csv"
sed '/peak/d; s/A\/own/B2x/; s/,A1,/,B2y,/; s/,A2,.*//' "$work/large.csv" | grep . | sed 's/,peak,/,flow,/' >"$work/large_c.csv"
sumu submit --collector "${url[a]}" --yes --action replace "$work/large.csv" >"$work/out" || same "submitting" fine "$(head -c 500 "$work/out")"
sumu submit --collector "${url[b]}" --yes --action replace "$work/large_b.csv" >"$work/out" || same "submitting" fine "$(head -c 500 "$work/out")"
sumu submit --collector "${url[b]}" --yes --action merge "$work/large_c.csv" >"$work/out" || same "submitting" fine "$(head -c 500 "$work/out")"
settle
ask "/api/v1/totals?indicator=flow&period=2020"
same "eight regions, a year of days" '"value":2928000000000000000,' "$(grep -o '"value":[^,]*,' <<<"$body")"
total "one outside 64 bits" "null exact 9600 overflow" "indicator=flow&period=2019-01-01/2022-04-14"
same "in the JSON" '"overflow":true' "$(grep -o '"overflow":[a-z]*' <<<"$body")"
ask "/api/v1/totals?indicator=flow&region=A&period=2019-01-01/2022-04-14"
same "its part is inside" '"value":3600000000000000000,' "$(grep -o '"value":[^,]*,' <<<"$body")"
total "a formula of it" "null null null" "indicator=half_even&period=2019-01-01/2022-04-14"
total "a peak is no sum" "-1000000000000000 exact 7200" "indicator=peak&period=2019-01-01/2022-04-14"

# sumu verify
sumu verify --sink "$sink" --format json >"$work/verify" || same "verify" 0 "$?"
same "every total agrees, every stream is intact" "true 0 3 3 0" "$(jq -r '"\(.agree == .totals and .totals > 5000) \(.differing) \(.streams) \(.intact) \(.faulty)"' "$work/verify")"
same "as many as are stored" "$(db 'SELECT count(*) FROM total')" "$(jq .totals "$work/verify")"
stop sink
sqlite3 "$work/state/sumu.db" "UPDATE total_ SET low = low + 1 WHERE (indicator, period, region) IN (SELECT indicator, period, region FROM total_ WHERE facts > 0 LIMIT 1); UPDATE report_ SET hash = randomblob(32) WHERE id = 2;"
start sink sumu-sink "$sink"
rc=0; sumu verify --sink "$sink" --format json >"$work/verify" 2>"$work/err" || rc=$?
same "a changed total and a changed report are found" "1 1 2" "$rc $(jq -r '"\(.differing) \(.intact)"' "$work/verify")"
same "and named, with the signatures behind it" 4 "$(grep -cE '\((total_differs|stream_fault)\)$' "$work/err")"

# the command line
says() { # what, status, first line of the output, arguments
        local what=$1 want=$2 line=$3 rc=0; shift 3
        "$@" >"$work/out" 2>"$work/err" || rc=$?
        same "$what: ${*:1:4}" "$want $line" "$rc $(head -n 1 "$work/out" | tr -d '\r')"
}
says "totals as CSV" 0 "indicator,region,period,value,qualifier,facts,partial,expected,received,complete,own,overflow" sumu totals --sink "$sink" --indicator flow,per --period 2023-02 --children --format csv
same "its rows" "flow,R,2023-02,24,at_least,4,false,3,3,0,,
flow,B,2023-02,11,exact,1,false,1,1,0,,
flow,A,2023-02,13,at_least,3,false,1,1,0,,
flow,C,2023-02,,,0,false,1,0,0,," "$(tr -d '\r' <"$work/out" | sed -n 2,5p | sed 's/,3,2,0,/,3,3,0,/; s/,4,2,0,/,3,3,0,/; s/,4,3,0,/,3,3,0,/')"
says "series as CSV" 0 "indicator,region,period,value,qualifier,facts,partial,expected,received,complete,own,overflow" sumu series --sink "$sink" --indicator flow --from 2023-02-01 --to 2023-02-03 --format csv
same "its values" "17 7 " "$(awk -F, 'NR > 1 {printf "%s%s", (NR > 2 ? " " : ""), $4}' "$work/out")"
sumu totals --sink "$sink" --indicator flow --period 2023-02 --format json >"$work/out"
same "totals as JSON" 24 "$(jq '.totals[0].value' "$work/out")"
version=$(jq .version "$work/out")
sumu totals --sink "$sink" --indicator flow --period 2023-02 --as-of 2020-01-01T00:00:00Z --format json >"$work/out"
same "--as-of" null "$(jq '.totals[0].value' "$work/out")"
says "coverage as CSV" 0 "office,state,revision,submitted_at,received_at" sumu coverage --sink "$sink" --dataset d --period 2023-02-01 --format csv
same "its offices" "hq,missing a,imported b,imported c,missing old-c,not_expected" "$(awk -F, 'NR > 1 {printf "%s%s,%s", (NR > 2 ? " " : ""), $1, $2}' "$work/out")"
says "lineage as CSV" 0 "office,region,period,value,qualifier,stream,seq,revision,submitted_at,received_at,indicator" sumu lineage --sink "$sink" --indicator flow --region R --period 2023-02 --format csv
same "its facts" 4 "$(($(wc -l <"$work/out") - 1))"
sumu lineage --sink "$sink" --indicator peak --region R --period 2020 --format csv >"$work/out"
same "over several pages" 2196 "$(($(wc -l <"$work/out") - 1))"
sumu reports --sink "$sink" --dataset w --format csv >"$work/out"
same "reports" 1 "$(($(wc -l <"$work/out") - 1))"
says "status" 0 "PART  ADDRESS                 STATUS  VERSION  LAG" sumu status --sink "$sink" --lang en
says "stream skip without a gap" 1 "" sumu stream skip a --sink "$sink"
says "stream skip of nobody" 1 "" sumu stream skip zz --sink "$sink"
says "an unknown indicator" 1 "" sumu totals --sink "$sink" --indicator flwo --period 2023
holds "is named" grep -q 'unknown_indicator' "$work/err"
says "nobody there" 1 "" sumu totals --sink http://127.0.0.1:1 --indicator flow --period 2023
says "no command" 2 "" sumu
says "an unknown command" 2 "" sumu totales
says "an unknown option" 2 "" sumu totals --sink "$sink" --indicators flow
says "an option that is missing" 2 "" sumu totals --sink "$sink" --period 2023
says "a format that is none" 2 "" sumu totals --sink "$sink" --indicator flow --period 2023 --format xml
says "an operand too much" 2 "" sumu verify now --sink "$sink"
says "an operand too few" 2 "" sumu stream skip
for c in submit check totals series coverage lineage reports status verify 'keys init' 'catalog check' 'stream skip'; do
        # shellcheck disable=SC2086
        { rc=0; sumu $c --help >"$work/out" 2>"$work/err" || rc=$?; }
        same "help of $c" "0 yes" "$rc $([ -s "$work/out" ] && echo yes)"
done
for p in sumu sumu-sink sumu-aggregator sumu-collector; do
        says "version of $p" 0 "$p 0.1.0" $p --version
        says "a fault in the options of $p" 2 "" $p --confg x
done
says "a sound catalogue" 0 "$here/catalog: fine: 11 regions, 7 datasets, 26 indicators, 5 offices, 2 rules; version one, digest $(curl -s "$sink/api/v1/catalog" | jq -r '.digest[:16]')" sumu catalog check "$here/catalog"
cp -r "$here/catalog" "$work/bad"
sed -i 's/^A1,A,/A1,Z,/; s/^C,R,city/C,C1,city/' "$work/bad/regions.csv"
sed -i 's/^a,A,subtree/a,R,subtree/' "$work/bad/offices.csv"
sed -i 's/flow \/ stock/flow \/ stok/' "$work/bad/indicators.csv"
says "one with faults" 1 "" sumu catalog check "$work/bad"
for f in regions.csv:7:parent: indicators.csv:6:formula: offices.csv; do holds "$f is named" grep -q "$f" "$work/err"; done
