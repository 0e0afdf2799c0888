#!/bin/bash
# Who has reported: the states of coverage, and the offices of a total. What is late or missing hangs on today, so the
# periods are counted back from it.
source "$(dirname "$0")/lib.sh"
hq_start
office_start hq a b c

export TZ=Asia/Shanghai # the catalogue's
today=$(date +%F)
ago() { date -d "$today - $1" +%F; }
state_of() { jq -r --arg o "$1" '.offices[]|select(.office == $o)|.state' <<<"$body"; }
counts() { jq -r '"\(.expected) expected \(.received) received \(.on_time) on time \(.late) late \(.missing) missing \(.rejected) rejected"' <<<"$body"; }
offices() { # what, "expected received complete", query
        ask "/api/v1/totals?$3"
        same "$1 ($3)" "$2" "$(jq -r '.totals[0].offices|"\(.expected) \(.received) \(.complete)"' <<<"$body")"
}

# the offices were heard of first today: what they bring from before is imported
report a "$(ago '40 days')" d replace "A1 flow 1"
report a "$today" d replace "A1 flow 2"
settle
ask "/api/v1/coverage?dataset=d&period=$(ago '40 days')"
same "the keys" '["dataset","expected","imported","late","missing","offices","on_time","period","received","rejected","waiting"]' "$(field 'keys')"
same "of an office" '["office","received_at","revision","state","submitted_at"]' "$(field '.offices[0]|keys')"
same "imported" imported "$(state_of a)"
same "missing" missing "$(state_of b)"
same "not valid any more" not_expected "$(state_of old-c)"
same "counted" "4 expected 1 received 0 on time 0 late 3 missing 0 rejected" "$(counts)"
same "times and revision" '1 true null null' "$(jq -r '(.offices[]|select(.office == "a")|"\(.revision) \(.submitted_at <= .received_at)") + " " + (.offices[]|select(.office == "b")|"\(.revision) \(.received_at)")' <<<"$body")"
ask "/api/v1/coverage?dataset=d&period=$today"
same "on time" on_time "$(state_of a)"
same "waiting" waiting "$(state_of b)"
same "counted" "4 expected 1 received 1 on time 0 late 0 missing 0 rejected" "$(counts)"

# had they been known for a year, it would be late
stop sink
year_us=$((365 * 86400 * 1000000))
sqlite3 "$work/state/sumu.db" "UPDATE stream_ SET opened = opened - $year_us"
start sink sumu-sink "$sink"
ask "/api/v1/coverage?dataset=d&period=$(ago '40 days')"
same "late" late "$(state_of a)"
report a "$(ago '40 days')" d withdraw
report b "$(ago '40 days')" d replace "B1 flow 1"
settle
ask "/api/v1/coverage?dataset=d&period=$(ago '40 days')"
same "withdrawn is missing" missing "$(state_of a)"
same "another" late "$(state_of b)"
report a "$(ago '40 days')" d replace "A1 flow 3"
settle
ask "/api/v1/coverage?dataset=d&period=$(ago '40 days')"
same "reported again" 'late 3' "$(jq -r '.offices[]|select(.office == "a")|"\(.state) \(.revision)"' <<<"$body")"

# rejected: taken by the office while HQ was away, refused by the catalogue that holds meanwhile
stop aggregator
report a "$(ago '30 days')" d replace "A1 flow 400"
report a "$(ago '29 days')" d replace "A1 flow 4"
sed -i 's/^flow,d,flow,件,items,0,-,,/flow,d,flow,件,items,0,-,100,/' "$work/catalog/indicators.csv"
kill -HUP "${pid[sink]}"
version_two() { ask /api/v1/catalog; jq -e '.indicators[]|select(.name == "d.flow").max == 100' <<<"$body" >/dev/null; }
await "the new catalogue is in force" version_two
start aggregator sumu-aggregator "$aggregator"
settle
ask "/api/v1/coverage?dataset=d&period=$(ago '30 days')"
same "rejected" rejected "$(state_of a)"
same "counted" "4 expected 0 received 0 on time 0 late 3 missing 1 rejected" "$(counts)"
ask "/api/v1/reports?verdict=rejected" -H 'Accept-Language: zh'
same "with its reason" 'a above_max false' "$(jq -r '.reports[0]|"\(.office) \(.reasons[0].code) \(.current)"' <<<"$body")"
holds "in Chinese" grep -q '大于允许的最大值' <<<"$body"
ask "/api/v1/reports?verdict=rejected" -H 'Accept-Language: en'
holds "in English, and where" grep -q 'above the most allowed, 100 (flow, A1)' <<<"$body"
same "the office is shown why" 'rejected above_max' "$(curl -s "${url[a]}/api/v1/reports?state=rejected" | jq -r '.reports[0]|"\(.state) \(.reasons[0].code)"')"
total "and nothing of it counts" "null null 0" "indicator=flow&period=$(ago '30 days')"
total "what follows does" "4 exact 1" "indicator=flow&period=$(ago '29 days')"

# longer periods: offices x base periods that have ended
span="$(ago '40 days')/$(ago '29 days')"
ask "/api/v1/coverage?dataset=d&period=$span"
same "a span of twelve days" "48 expected 3 received 0 on time 3 late 44 missing 1 rejected" "$(counts)"
ask "/api/v1/coverage?dataset=d&period=2022"
same "a year with an office that ended" "4 1460" "$(jq -r '"\([.offices[]|select(.state != "not_expected")]|length) \(.expected)"' <<<"$body")"
ask "/api/v1/coverage?dataset=m&period=2020-12"
same "before since nobody is expected" "0 0" "$(jq -r '"\([.offices[]|select(.state != "not_expected")]|length) \(.expected)"' <<<"$body")"
ask "/api/v1/coverage?dataset=m&period=2020"
same "nor in the year" 0 "$(field .expected)"
ask "/api/v1/coverage?dataset=m&period=2021-Q1"
same "four offices by three months" 12 "$(field .expected)"
ask "/api/v1/coverage?dataset=q&period=2021"
same "offices that answer for it" '["hq","a","b"] 12' "$(jq -rc '"\([.offices[].office]) \(.expected)"' <<<"$body")"
refused "a day of a monthly dataset" 422 period_not_held "/api/v1/coverage?dataset=m&period=2021-01-01"
refused "no period" 400 malformed "/api/v1/coverage?dataset=m"
report a 2020-06 m replace "A1 count 1"
settle
ask "/api/v1/coverage?dataset=m&period=2020-06"
same "taken before since all the same" "1 0" "$(jq -r '"\(.received) \(.expected)"' <<<"$body")"

# the offices of a total
offices "all" "4 0 0" "indicator=flow&period=2023-05-01"
offices "one" "1 0 0" "indicator=flow&region=A1&period=2023-05-01"
offices "the region's own facts" "1 0 0" "indicator=flow&region=R&own=1&period=2023-05-01"
offices "own facts of a city: its office" "1 0 0" "indicator=flow&region=A&own=1&period=2023-05-01"
offices "before c" "1 0 0" "indicator=flow&region=C&period=2022-12-31"
offices "over the change" "2 0 0" "indicator=flow&region=C&period=2022-12-31/2023-01-01"
offices "who does not answer" "0 0 0" "indicator=q.count&region=C&period=2023-Q1"
for d in 01 02; do
        report c 2023-05-$d d replace "C1 stock 1" # another indicator: the dataset is what is reported
        report hq 2023-05-$d d replace "R kilos 0"
done
report a 2023-05-02 d replace "A2 flow 0"
report b 2023-05-02 d replace "B flow 1"
report b 2023-05-02 d withdraw
settle
offices "two days" "4 3 2" "indicator=flow&period=2023-05-01/2023-05-02"
offices "the second" "4 3 3" "indicator=flow&period=2023-05-02"
offices "of one" "1 1 1" "indicator=flow&region=C1&period=2023-05-01/2023-05-02"
offices "the month" "4 3 0" "indicator=flow&period=2023-05"
report c 2023-W19 w replace "C1 total 1"
settle
offices "a week of days" "1 1 0" "indicator=total&region=C&period=2023-05-01/2023-05-14"
offices "only the base periods that have ended" "1 1 1" "indicator=flow&region=A&period=$today"
ask "/api/v1/totals?indicator=flow&period=2023-05-02&as_of=2023-06-01T00:00:00Z"
same "as of then nobody had" 0 "$(field '.totals[0].offices.received')"

# sumu status names who is missing
sumu status --sink "$sink" --lang en >"$work/status"
holds "status names the datasets" grep -q '^d ' "$work/status"
holds "and that all are missing" grep -q '^q .* all$' "$work/status"
