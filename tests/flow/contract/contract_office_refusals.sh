#!/bin/bash
# Every code of refusal that an office can meet, with its row and its column, in the long form, the wide form and JSON; and
# what must not be refused. Nothing is taken: all are dry runs.
. "$(dirname "$0")/lib.sh"
start_office 0 alpha

csv() { # query, printf format of the body
        post_csv "$(printf "$2")" "?dry_run=1&$1"
}
day='dataset=daily&period=2023-05-01'
far=$(date -d '+3 days' +%F)

# ---- names
csv "dataset=dayly&period=2023-05-01" 'region,guns\nA1,1\n'
is_refused "a dataset that is not" - dataset unknown_dataset
holds "the nearest dataset" "$body" 'did you mean \\"daily\\"'
csv '' 'dataset,period,region,indicator,value\ndaily,2023-05-01,A1,guns,1\ndayly,2023-05-01,A1,guns,1\n'
is_refused "a dataset that is not, in a column" 3 dataset unknown_dataset only
csv "$day" 'region,guns\nA1,1\nA9,1\n'
is_refused "a region that is not" 3 region unknown_region only
csv "$day" '地区,枪支\n东棋,1\n'
is_refused "a region that is not, in Chinese" 2 地区 unknown_region only
holds "the nearest region" "$body" '东旗'
csv "$day" 'region,indicator,value\nA1,gunz,1\n'
is_refused "an indicator that is not" 2 indicator unknown_indicator only
holds "the nearest indicator" "$body" 'did you mean \\"guns\\"'
csv "$day" 'region,indicator,value\nA1,staff,1\n'
is_refused "an indicator of another dataset" 2 indicator unknown_indicator only
csv "$day" 'region,guns\n中心镇,1\n'
is_refused "a name that two regions share" 2 region ambiguous_name only
csv "$day" 'region,guns\nA11,1\n东旗/own,2\n西旗,3\n'
is_taken "the code of such a region, a name, and own figures"
csv "$day" 'region,guns\n南旗,1\n'
is_refused "a foreign region" 2 region foreign_region only
csv "$day" 'region,guns\nR,1\n'
is_refused "the region above" 2 region foreign_region only
csv 'dataset=foreign_set&period=2023-Q1' 'region,papers\nA1,1\n'
is_refused "a foreign dataset" - dataset foreign_dataset
csv "$day" 'region,guns\nA3,1\n'
is_refused "a region that has ended" 2 region not_valid_then only
csv 'dataset=daily&period=2022-05-01' 'region,guns\nA3,1\n'
is_taken "the same while it lasted"

# ---- periods
for p in 2023-05 2023-05-32 2023-02-29 2023-W05 garbage 2023-05-01/2023-05-02; do
        csv "dataset=daily&period=$p" 'region,guns\nA1,1\n'
        is_refused "period $p of a daily dataset" - period wrong_period
done
csv '' 'dataset,period,region,indicator,value\ndaily,2023-05-01,A1,guns,1\ndaily,2023-05,A1,guns,1\n'
is_refused "a wrong period in a column" 3 period wrong_period only
csv "dataset=daily&period=$far" 'region,guns\nA1,1\n'
is_refused "a period that has not begun" - period future_period only
csv "dataset=daily&period=$(TZ=Asia/Shanghai date +%F)" 'region,guns\nA1,1\n'
is_taken "today, by the catalogue's time zone"
csv 'dataset=weekly&period=2023-W05' 'region,guns_checked\nA1,1\n'
is_refused "a locked period" - period locked only
csv "dataset=weekly&period=$(date -d '-7 days' +%G-W%V)" 'region,guns_checked\nA1,1\n'
is_taken "a week that is not locked yet"

# ---- values
csv "$day" 'region,guns\nA1,abc\nA2,1\nA12,x\n'
is_refused "no number" 2 guns not_a_number
is_refused "all errors at once" 4 guns not_a_number
csv "$day" 'region,indicator,value\nA1,guns,无\n'
is_refused "无" 2 value not_a_number only
csv "$day" 'region,powder\nA1,1.234\n'
is_refused "too precise" 2 powder too_precise only
csv "$day" 'region,balance\nA1,1000000000000001\nA2,-1000000000000001\nA12,-1000000000000000\n'
is_refused "too large" 2 balance too_large
is_refused "too large below" 3 balance too_large
is "the largest is fine" 2 "$(field '.errors | length')"
csv "$day" 'region,guns\nA1,-1\n'
is_refused "below min" 2 guns below_min only
csv "$day" 'region,posts\nA1,51\n'
is_refused "above max" 2 posts above_max only
csv "$day" 'region,share,guns\nA1,45.5%%,3%%\n'
is_refused "a percentage of what is no percentage" 2 guns not_a_number only

# ---- what is reported how
csv "$day" 'region,posts\nA,1\n'
is_refused "wrong level" 2 region wrong_level only
csv "$day" 'region,indicator,value\nA1,total,1\n'
is_refused "a derived figure" 2 indicator derived_given only
csv "$day" 'region,guns,total\nA1,1,\n'
is_taken "a derived column left blank"
csv "$day&action=add" 'region,posts\nA1,5\n'
is_refused "add of a stock" 2 posts add_not_flow only
csv "$day" 'region,guns\nA1,1\nA,5\nA11,2\n'
is_refused "a part and the whole" 2 region overlap
is_refused "a part of the part" 4 region overlap
csv "$day" 'region,guns\nA/own,5\nA1本级,3\nA11,2\n东旗本级,\n'
is_taken "own figures beside their parts"
csv "$day" 'region,guns\nA1,1\nA2,1\nA1,1\n'
is_refused "given twice, wide" 4 guns duplicate_row only
csv "$day" 'region,indicator,value\nA1,guns,1\n东旗,枪支,1\n'
is_refused "given twice, long" 3 region duplicate_row only
csv "$day" 'region,indicator,value,action\nA1,guns,5,merge\nA2,guns,5,replace\n'
is_refused "two actions" 3 action mixed_action only
csv "$day" 'region,indicator,value,action\nA1,guns,5,add\nA2,guns,5,累加\nA21,powder,5,\n'
is_taken "one action in two languages, a blank beside"
csv "$day&action=withdraw" 'region,guns\nA1,2\n'
is_refused "a withdrawal with rows" - action rows_with_withdraw only
csv "$day" 'region,guns\n'
is_refused "a header only" - - no_rows only
csv "$day" 'region,guns\nA1,\nA2,—\n'
is_refused "nothing but blanks" - - no_rows only
csv "$day" ''
is_refused "no bytes" - - empty_file only
csv "$day" '\n \n'
is_refused "blank lines" - - empty_file only
csv "$day&action=withdraw" ''
is_taken "a withdrawal of no bytes"

# ---- columns
csv "$day" 'region,value\nA1,2\n'
is_refused "no indicator column" 1 indicator missing_column only
csv "$day" 'guns\n2\n'
is_refused "no region column" 1 region missing_column only
csv '' 'region,indicator,value\nA1,guns,2\n'
is_refused "no dataset" 1 dataset missing_column
is_refused "no period" 1 period missing_column
csv "$day" 'region,guns,gunz\nA1,2,3\n'
is_refused "an unknown column, wide" 1 gunz unknown_column only
csv "$day" 'region,indicator,value,foo\nA1,guns,2,3\n'
is_refused "an unknown column, long" 1 foo unknown_column only
csv "$day" 'region,indicator,value\nA1,guns,3,739\n'
is_refused "a figure cut in two by its own comma" 2 '#4' unknown_column only
csv "$day" '地区,枪支(枚)\nA1,2\n'
is_refused "a unit that is not the indicator's" 1 '枪支(枚)' unknown_column only

# ---- total rows
csv "$day" 'region,guns,powder\nA1,2,1.5\nA2,3,\n合计,6,1.5\n'
is_refused "a total that differs" 4 guns sum_differs only
csv "$day" 'region,guns\nA1,2\nA2,3\n小计,5\nA12,1\n小 计,1\n总计,6\n'
is_refused "totals beside overlap are judged too" 5 region overlap
csv "$day" 'region,guns\nA1,2\nA2,3\n小计,5\n合计,5\n'
is_taken "totals that agree"
is "totals are not reported" 2 "$(field '.receipts[0].rows')"

# ---- rules
csv "$day" 'region,guns,bombs\nA2,5,5\nA1,1,90\n'
is_refused "a rule that does not hold" 3 - rule
holds "its message" "$body" 'at most ten times the guns'
csv "$day" 'region,guns,bombs\nA1,1,90余\n'
is_taken "reject becomes explain where an operand is not exact"
csv "$day" 'region,crowd\nA1,9000\n'
is_taken "explain refuses nothing"

# ---- form
printf 'region,guns\nA1,1\nA2,\xff\xfe\n' >"$run/f"
post() { http -X POST -H 'Content-Type: text/csv' --data-binary "@$run/f" "$url/api/v1/reports?dry_run=1&$day"; }
post; is_refused "bytes of no encoding" 3 - encoding only
printf 'region,guns\nA1,1\0\n' >"$run/f"
post; is_refused "NUL" 2 - encoding only
printf 'region,guns\nA1,1\n"A2,3\n' >"$run/f"
post; is_refused "a quotation mark that does not end" 3 - encoding only
printf 'PK\3\4xx' >"$run/f"
post; is_refused "a workbook" 1 - encoding only
holds "what to do with it" "$body" 'save the sheet as CSV'
printf '\xef\xbb\xbfregion,guns\r\n\r\n"A1",1\r\n' >"$run/f"
post; is_taken "a byte order mark, CRLF, blank lines, quotes"
printf 'region,guns\n"A1\n",1\nA2,x\n' >"$run/f"
post; is_refused "the line on which the record begins" 4 guns not_a_number only
printf '地区,枪支（支）,火药 (千克)\n东旗,5万余,2.5\n' | iconv -t gb18030 >"$run/f"
post; is_taken "GB18030"
printf '甲盟查缴情况表,,,\n填报单位：甲盟,,,\n\n地区,枪支（支）,火药(千克),备注\n东旗,1,2.5,称重\n西旗,3,—,\n合计,4,2.5,\n' >"$run/f"
post; is_taken "title lines, units in brackets, notes, a total"
is "of which three figures are reported" 3 "$(field '.receipts[0].rows')"

# ---- several reports in one file
csv '' 'dataset,period,region,indicator,value\ndaily,2023-05-01,A1,guns,1\n每日查缴,2023年5月2日,A1,guns,2\nmonthly,2023-05,A1,staff,5\n'
is_taken "three reports"
is "in order of appearance" '[["daily","2023-05-01"],["daily","2023-05-02"],["monthly","2023-05"]]' "$(field '[.receipts[]|[.dataset,.period]]')"
csv '' 'dataset,period,region,indicator,value\ndaily,2023-05-01,A1,guns,1\ndaily,2023-05-02,A1,guns,x\nmonthly,2023-05,A9,staff,5\n'
is_refused "all or none: one" 3 value not_a_number
is_refused "all or none: the other" 4 region unknown_region

# ---- JSON: rows from 1, columns by key
json() { # rows, rest of the object
        post_json "{\"dataset\":\"daily\",\"period\":\"2023-05-01\"${2:-},\"rows\":[$1]}" '?dry_run=1'
}
good='{"region":"A1","indicator":"guns","value":"12"}'
json "$good,{\"region\":\"A9\",\"indicator\":\"gun\",\"value\":\"x\"}"
is_refused "JSON: region" 2 region unknown_region
is_refused "JSON: indicator" 2 indicator unknown_indicator
json "$good,$good"
is_refused "JSON: twice" 2 region duplicate_row only
json '{"region":"A1","indicator":"guns","value":"x"}'
is_refused "JSON: value" 1 value not_a_number only
json '{"region":"A1","indicator":"guns"}'
is_refused "JSON: no value" 1 value missing_column only
json '{"region":"A1","indicator":"guns","value":1,"valeu":2}'
is_refused "JSON: a key that is not" 1 valeu unknown_column only
json "$good" ',"action":"erase"'
is_refused "JSON: an action that is not" - action unknown_action only
json "$good" ',"action":"withdraw"'
is_refused "JSON: a withdrawal with rows" - action rows_with_withdraw only
json ''
is_refused "JSON: no rows" - - no_rows only
post_json '{"rows":[]}' '?dry_run=1'
is_refused "JSON: no dataset" - dataset missing_column
json '{"region":"A1","indicator":"guns","value":12},{"region":"A2","indicator":"guns","value":1e3},{"region":"A2","indicator":"powder","value":1.25},{"region":"A2","indicator":"bombs","value":null}'
is_taken "JSON: numbers and null"
is "null is not given" 3 "$(field '.receipts[0].rows')"
printf '{"dataset":"daily","period":"2023-05-01","rows":[{"region":"A1","indicator":"guns","value":1,"note":"%s"}]}' "$(head -c 210000 /dev/zero | tr '\0' x)" >"$run/f"
http -X POST -H 'Content-Type: application/json' --data-binary "@$run/f" "$url/api/v1/reports?dry_run=1"
is_refused "more bytes than a report may have" - - report_too_large only

http "$url/api/v1/reports"
is "nothing was taken" 0 "$(field '.reports | length')"
finish
