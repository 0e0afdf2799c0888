#!/bin/bash
# DESIGN.md section 3 through real reports: each row of its table of cases, kinds, periods, qualifiers, corrections.
source "$(dirname "$0")/lib.sh"
hq_start
office_start hq a b

# stock d1 = 10, d2 = 12, then d2 withdrawn, then d1
report a 2023-03-01 d replace "A1 stock 10"
report a 2023-03-02 d replace "A1 stock 12"
settle
total "stock: the latest" "12 exact 1" "indicator=stock&region=A1&period=2023-03"
total "stock: the latest, a parent" "12 exact 1" "indicator=stock&region=A&period=2023-03"
report a 2023-03-02 d withdraw
settle
total "stock: the latest withdrawn" "10 exact 1" "indicator=stock&period=2023-03"
report a 2023-03-01 d replace "A1 flow 1"
settle
total "stock: replaced without it" "null null 0" "indicator=stock&period=2023-03"
report a 2023-03-01 d withdraw
settle
total "all withdrawn" "null null 0" "indicator=flow&period=2023-03"

# peak d1 = 500, d2 = 300, d1 corrected to 200; place takes the largest too
report a 2023-04-01 d replace "A1 peak 500"
report a 2023-04-02 d replace "A1 peak 300" "A2 peak 约310"
settle
total "peak: the largest" "500 about 3" "indicator=peak&period=2023-04"
report a 2023-04-01 d replace "A1 peak 200"
settle
total "peak: corrected, a leaf" "300 exact 2" "indicator=peak&region=A1&period=2023-04"
total "peak: corrected, qualifier of all facts" "310 about 3" "indicator=peak&region=A&period=2023-04"
total "peak: a negative one" "null null 0" "indicator=peak&period=2023-05"
report a 2023-05-01 d replace "A1 peak -7" "A2 peak -3"
settle
total "peak: of negative ones the largest" "-3 exact 2" "indicator=peak&period=2023-05"

# a region with figures of its own beside its children's
report a 2023-06-01 d replace "A/own stock 5" "A1 stock 7" "A/own flow 100" "A1 flow 10" "A2 flow 0"
report a 2023-06-02 d replace "A1 stock 8"
report hq 2023-06-03 d replace "R stock 1000" "R/own flow 1000余"
report b 2023-06-02 d replace "B flow 1"
settle
total "stock: own and each child's latest" "13 exact 2" "indicator=stock&region=A&period=2023-06"
total "stock: region" "1013 exact 3" "indicator=stock&period=2023-06"
total "own alone" "5 exact 1" "indicator=stock&region=A&period=2023-06&own=1"
total "own alone, as a name" "5 exact 1" "indicator=stock&region=A/own&period=2023-06"
total "own alone, in Chinese" "5 exact 1" "indicator=stock&region=%E7%94%B2%E5%B8%82%E6%9C%AC%E7%BA%A7&period=2023-06"
total "own flow of the root" "1000 at_least 1" "indicator=flow&region=R&period=2023-06&own=1"
total "flow of the root" "1111 at_least 5" "indicator=flow&period=2023-06"
total "a zero is a fact" "0 exact 1" "indicator=flow&region=A2&period=2023-06"
total "missing is not zero" "null null 0" "indicator=flow&region=B2&period=2023-06"
total "a region without children that has own figures" "10 exact 1" "indicator=flow&region=A1&period=2023-06&own=1"

# merge, add, withdraw
report a 2023-07-01 d replace "A1 flow 10" "A2 flow 20"
report a 2023-07-01 d merge "A2 flow 5余" "A2 kilos 1.25"
report a 2023-07-01 d add "A1 flow -3" "A1 kilos 0.05"
settle
total "merge and add" "12 at_least 2" "indicator=flow&region=A&period=2023-07"
total "add to what stands" "7 exact 1" "indicator=flow&region=A1&period=2023-07"
total "decimals" "1.3 exact 2" "indicator=kilos&period=2023-07"
same "no more digits than it has" '"value":1.3,' "$(grep -o '"value":[0-9.]*,' <<<"$body")"
report a 2023-07-01 d add "A1 flow 约1" "A2 flow 1"
settle
total "as exact as its less exact part" "8 about 1" "indicator=flow&region=A1&period=2023-07"
total "an exact one upon at least" "6 at_least 1" "indicator=flow&region=A2&period=2023-07"
report a 2023-07-01 d replace "A1 flow 1"
settle
total "replace: the rows become the whole report" "1 exact 1" "indicator=flow&region=A&period=2023-07"

# qualifiers: any about, else any at least, else exact
report a 2023-08-01 d replace "A1 flow 500余" "A2 flow 1"
settle
total "at least" "501 at_least 2" "indicator=flow&period=2023-08"
report a 2023-08-02 d replace "A1 flow 约3"
settle
total "about wins" "504 about 3" "indicator=flow&period=2023-08"
total "of the facts that count" "501 at_least 2" "indicator=flow&period=2023-08-01"
report a 2023-08-01 d replace "A1 stock 约50"
report a 2023-08-02 d replace "A1 stock 60"
settle
total "stock: of the fact that counts" "60 exact 1" "indicator=stock&period=2023-08"

# weeks, of daily and of weekly data; 2021-01-01 is in 2020-W53
report a 2020-12-28 d replace "A1 flow 1"
report a 2021-01-01 d replace "A1 flow 2"
report a 2021-01-03 d replace "A1 flow 4"
report a 2021-01-04 d replace "A1 flow 8"
report a 2020-W53 w replace "A1 total 16" "A1 boats 3"
report a 2021-W01 w replace "A1 total 32" "A1 boats 4"
report a 2021-W52 w replace "A1 total 64"
settle
for r in A1 A R; do
        total "a week of daily data" "7 exact 3" "indicator=flow&region=$r&period=2020-W53"
        total "the calendar year of daily data" "14 exact 3" "indicator=flow&region=$r&period=2021"
        total "the calendar year before" "1 exact 1" "indicator=flow&region=$r&period=2020"
        total "the ISO year of weekly data" "16 exact 1" "indicator=total&region=$r&period=2020"
        total "the ISO year after" "96 exact 2" "indicator=total&region=$r&period=2021"
        total "a stock of weeks" "4 exact 1" "indicator=boats&region=$r&period=2021"
        total "a span of days over weeks" "48 exact 2" "indicator=total&region=$r&period=2020-12-28/2021-01-10"
        total "a span that cuts weeks" "32 exact 1" "indicator=total&region=$r&period=2020-12-29/2021-01-12"
done
total "2020-W53 a year ago is null" "null null null" "indicator=year_ago&period=2020-W53"
total "the first week a year ago" "null null null" "indicator=year_ago&period=2021-W01"

# month, quarter, half, year
for m in 01 03 04 07 12; do report a "2022-$m" m replace "A1 count 1$m" "A2 level -$m.5"; done
for q in 1 2 4; do report a 2022-Q$q q replace "A1 count $q" "A1 depth 1$q"; done
report a 2022-H1 h replace "A1 nuts 5" "A1 oldest 70"
report b 2022-H2 h replace "B1 nuts 6" "B1 oldest 90余"
for y in 2017 2018 2019 2020 2021 2022; do report b $y y replace "B births $((y - 2000))" "B people ${y}"; done
settle
total "month to quarter" "204 exact 2" "indicator=m.count&period=2022-Q1"
total "month to half" "308 exact 3" "indicator=m.count&period=2022-H1"
total "month to year" "527 exact 5" "indicator=m.count&period=2022"
total "stock of months in a quarter" "-3.5 exact 1" "indicator=level&period=2022-Q1"
total "stock of months in a half" "-12.5 exact 1" "indicator=level&period=2022-H2"
total "quarter to half" "3 exact 2" "indicator=q.count&period=2022-H1"
total "quarter to year" "7 exact 3" "indicator=q.count&period=2022"
total "stock of quarters" "14 exact 1" "indicator=depth&period=2022-H2"
total "no stock in the third quarter" "null null 0" "indicator=depth&period=2022-Q3"
total "half to year" "11 exact 2" "indicator=nuts&period=2022"
total "peak of halves" "90 at_least 2" "indicator=oldest&period=2022"
total "a year" "22 exact 1" "indicator=births&period=2022"
total "change of means: (20+21+22)/(17+18+19)" "16.7 exact null" "indicator=birth_change&period=2022"
total "a mean with a missing operand" "null null null" "indicator=birth_change&period=2021"
total "months in a span of days" "426 exact 4" "indicator=m.count&period=2022-02-15/2022-12-31"

# derived: null rules, rounding half to even, unrounded operands
report a 2024-01-01 d replace "A1 flow 1" "A1 stock 3"
report a 2024-01-02 d replace "A1 flow 3" "A2 stock 0"
report a 2024-01-03 d replace "A1 flow 5"
report a 2024-01-04 d replace "A1 flow 约7"
report a 2023-01-02 d replace "A1 flow 2"
report a 2024-02-29 d replace "A1 flow 9"
report a 2024-01 m replace "A1 count 32"
settle
total "a quotient" "0.33 exact null" "indicator=per&region=A1&period=2024-01-01"
total "twice the unrounded quotient" "0.7 exact null" "indicator=twice&region=A1&period=2024-01-01"
total "division by zero" "null null null" "indicator=per&region=A2&period=2024-01-02"
total "a missing operand" "null null null" "indicator=per&region=A2&period=2024-01-01"
total "half to even: 0.5" "0 exact null" "indicator=half_even&period=2024-01-01"
total "half to even: 1.5" "2 exact null" "indicator=half_even&period=2024-01-02"
total "half to even: 2.5" "2 exact null" "indicator=half_even&period=2024-01-03"
total "an operand about" "4 about null" "indicator=half_even&period=2024-01-04"
total "lag of a qualified period" "1 exact null" "indicator=before&period=2024-01-04"
total "mean of three" "3 exact null" "indicator=smooth&period=2024-01-03"
total "mean with an about" "5 about null" "indicator=smooth&period=2024-01-04"
total "mean without the first" "null null null" "indicator=smooth&period=2024-01-02"
total "a year earlier" "50 exact null" "indicator=change&period=2024-01-02"
total "29 February a year earlier" "null null null" "indicator=change&period=2024-02-29"
total "operands of two datasets" "50 about null" "indicator=share&period=2024-01"
total "lag of a span is null" "null null null" "indicator=before&period=2024-01-01/2024-01-03"
total "mean of a span is null" "null null null" "indicator=smooth&period=2024-01-01/2024-01-03"
total "yoy of a span: the same days" "350 exact null" "indicator=change&period=2024-01-01/2024-01-03"
total "a formula over a span" "4 exact null" "indicator=half_even&period=2024-01-01/2024-01-03"
total "a derived of a stored parent is the leaf's" "0.33 exact null" "indicator=per&region=R&period=2024-01-01"

# beyond 64 bits: 10^15 is the most of one value; many adds make more. Nothing is refused for it
report a 2023-09-01 d replace "A1 flow 1000000000000000"
report b 2023-09-01 d replace "B1 flow 1000000000000000"
settle
total "10^15 twice" "2000000000000000 exact 2" "indicator=flow&period=2023-09"
same "the digits as they come" '"value":2000000000000000,' "$(grep -o '"value":[0-9]*,' <<<"$body")"

# judged on the report as it would stand
declined() { # what, code, and what `report` takes
        local what=$1 code=$2; shift 2
        if report "$@" 2>/dev/null; then same "$what" "refused: $code" taken; else same "$what" "422 $code" "$status $(jq -r '[.errors[].code] | unique | join(" ")' "$work/receipt")"; fi
}
report a 2023-10-01 d replace "A1 kilos 1.25" "A/own flow 4"
declined "an add below the minimum" below_min a 2023-10-01 d add "A1 kilos -1.26"
report a 2023-10-01 d add "A1 kilos -1.25"
declined "a value below the minimum" below_min a 2023-10-02 d replace "A1 kilos -1"
declined "the largest value and one" too_large a 2023-10-02 d replace "A1 flow 1000000000000001"
declined "add to a stock" add_not_flow a 2023-10-01 d add "A1 stock 1"
declined "an indicator for a region and its ancestor" overlap a 2023-10-02 d replace "A1 flow 1" "A flow 1"
report a 2023-10-02 d replace "A flow 9"
declined "the same by merge" overlap a 2023-10-02 d merge "A1 flow 1"
report a 2023-10-01 d merge "A1 flow 1"
declined "a withdrawal with rows" rows_with_withdraw a 2023-10-02 d withdraw "A1 flow 1"
declined "no rows" no_rows a 2023-10-02 d replace
declined "blanks only" no_rows a 2023-10-02 d merge "A1 flow -"
declined "a derived figure" derived_given a 2023-10-02 d replace "A1 per 1"
declined "another level" wrong_level b 2022 y replace "B1 people 1"
declined "tomorrow and one" future_period a "$(TZ=Asia/Shanghai date -d '+2 days' +%F)" d replace "A1 flow 1"
declined "locked" locked a 2010-01 k replace "A1 grain 1"
settle
total "added down to nothing is 0" "0 exact 1" "indicator=kilos&period=2023-10-01"
total "own and merged child" "5 exact 2" "indicator=flow&region=A&period=2023-10-01"
total "the region's own figure, once written without /own" "9 exact 1" "indicator=flow&region=A&own=1&period=2023-10-02"

# a rule: for each region of the rows and the ancestors up to the office; skipped without operands; explained if not exact
declined "a rule" rule a 2023-11 k replace "A1 grain 10" "A1 straw 31"
report a 2023-11 k replace "A1 grain 10" "A2 straw 30"
declined "a rule, upon what stands, of an ancestor" rule a 2023-11 k merge "A2 straw 31"
report a 2023-11 k merge "A2 straw 约31"
report b 2023-11 k replace "B1 straw 99"
settle
ask "/api/v1/reports?dataset=k"
same "where an operand is missing it is skipped, where one is not exact it explains" '["b 0","a 1","a 0"]' "$(field '[.reports[]|"\(.office) \(.flags|length)"]')"
