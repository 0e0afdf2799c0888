#!/bin/bash
# The commands: `sumu submit`, `check`, `keys`, `catalog check`; help, versions and exit statuses of all programs; their
# configuration.
. "$(dirname "$0")/lib.sh"
start_office 0 alpha
files=$run/files
mkdir "$files"
cd "$files" || exit 1
printf 'region,guns,bombs\nA1,12,5万余\nA2,3,0\n' >daily_2023-05-01.csv
printf 'region,guns\nA1,7\n' >daily_2023-05-01_merge.csv
printf 'region,guns\nA1,x\nA9,3\n' >daily_2023-05-02.csv
printf '{"dataset":"daily","period":"2023-05-04","rows":[{"region":"A1","indicator":"guns","value":"12"}]}' >report.json
: >daily_2023-05-03.csv
truncate -s 1G daily_2023-05-05.csv
at=(--collector "$url")
offline=(--catalog "$catalog" --office alpha)

ends() { # what, wanted status, error lines (pattern; '' for none)
        if [ -n "${3:-}" ]; then
                holds "$1" "$err" "$3"
        else
                is "$1: stderr" '' "$err"
        fi
        is "$1: exit status" "$2" "$rc"
}

# ---- submit
cli submit "${at[@]}" --format csv daily_2023-05-01.csv report.json daily_2023-05-01_merge.csv
ends "submit" 0
is "its receipts" 'file,dataset,period,action,revision,rows,withdrawn
daily_2023-05-01.csv,daily,2023-05-01,replace,1,4,0
report.json,daily,2023-05-04,replace,1,1,0
daily_2023-05-01_merge.csv,daily,2023-05-01,merge,2,1,0' "$(cut -d, -f1-7 <<<"$out" | tr -d '\r')"
cli submit "${at[@]}" --format json report.json
is "as JSON" daily "$(jq -r '.receipts[0].dataset' <<<"$out")"
cli submit "${at[@]}" daily_2023-05-02.csv
ends "a bad file" 1 '^daily_2023-05-02\.csv:2:guns: .* \(not_a_number\)$'
ends "all of it" 1 '^daily_2023-05-02\.csv:3:region: .* \(unknown_region\)$'
cli submit "${at[@]}" --lang zh daily_2023-05-02.csv
ends "in Chinese" 1 '^daily_2023-05-02\.csv:2:guns: .*不是数值.* \(not_a_number\)$'
out=$(LC_ALL= LANG=zh_CN.UTF-8 "$CLI" submit "${at[@]}" daily_2023-05-02.csv 2>&1)
holds "by LANG" "$out" '不是数值'
cli submit "${at[@]}" daily_2023-05-02.csv daily_2023-05-01.csv
ends "a bad one among good ones" 1 'not_a_number'
holds "the good ones are taken" "$out" 'daily_2023-05-01.csv'
cli submit "${at[@]}" daily_2023-05-03.csv
ends "an empty file" 1 '^daily_2023-05-03\.csv: .*\(empty_file\)$'
cli submit "${at[@]}" daily_2023-05-05.csv
ends "a file of 1 GB" 1 '^daily_2023-05-05\.csv: .*\(file_too_large\)$'
cli submit "${at[@]}" absent.csv
ends "no file" 1 'absent\.csv'
cli submit "${at[@]}" --dataset daily --period 2023-05-06 --action merge daily_2023-05-02.csv
ends "options go before the name" 1 ':2:guns:'
out=$(printf 'region,guns\nA1,1\n' | "$CLI" submit "${at[@]}" --dataset daily --period 2023-05-06 --format csv - 2>&1)
holds "standard input" "$out" 'daily,2023-05-06,replace,1,1,0'
cli submit "${at[@]}" --nil --dataset daily --period 2023-06-01 --format csv
ends "a report of zeros" 0
cli submit "${at[@]}" --action withdraw --dataset daily --period 2023-06-01 --format csv
holds "a withdrawal" "$out" 'daily,2023-06-01,withdraw,2,0,4'
cli submit "${at[@]}" --wait --timeout 1 report.json
ends "--wait without HQ" 1 'no verdict yet'
cli submit --collector http://127.0.0.1:1 report.json
ends "no collector" 1 'nothing answers'
while read -r line; do
        read -ra words <<<"$line"
        cli "${words[@]}"
        ends "wrong usage: sumu $line" 2 .
done <<EOF

nonsense
submit
submit --nonsense
submit --nil
submit --nil --dataset daily
submit --nil --dataset daily --period 2023-05-01 report.json
submit --action erase report.json
submit --timeout soon report.json
submit --timeout 0 report.json
submit --format xml report.json
submit --lang fr report.json
submit --dataset
check report.json
check --catalog x report.json
check --catalog x --office alpha
reports stray
keys
keys nonsense
keys init
catalog check
EOF

# ---- check: the same answers, offline
cli check "${offline[@]}" --format csv daily_2023-05-01.csv report.json
is "check" 'file,dataset,period,action,rows
daily_2023-05-01.csv,daily,2023-05-01,replace,4
report.json,daily,2023-05-04,replace,1' "$(tr -d '\r' <<<"$out")"
is "check: exit status" 0 "$rc"
cli submit "${at[@]}" daily_2023-05-02.csv
online=$err
cli check "${offline[@]}" daily_2023-05-02.csv
ends "a bad file" 1 not_a_number
is "in the collector's words" "$online" "$err"
cli check "${offline[@]}" daily_2023-05-05.csv
ends "a file of 1 GB" 1 file_too_large
cli check "${offline[@]}" daily_2023-05-03.csv
ends "an empty file" 1 empty_file
cli check --catalog "$catalog" --office alpa report.json
ends "an office that is not" 1 'did you mean "alpha"'
cli check --catalog /nonexistent --office alpha report.json
ends "a catalogue that is not" 1 '/nonexistent'
cli catalog check "$catalog"
is "catalog check" 0 "$rc"
cp -r "$catalog" "$run/broken"
sed -i 's/^guns,daily,flow/guns,daily,flew/' "$run/broken/indicators.csv"
cli catalog check "$run/broken"
ends "a fault in it" 1 'indicators\.csv:2:kind: '

# ---- help and versions
for lang in en zh; do
        for program in "$CLI" "$COLLECTOR" "$AGGREGATOR" "$SINK"; do
                out=$("$program" --lang $lang --help 2>&1)
                is "$program --help" 0 $?
                holds "$program --help in $lang" "$out" "$([ $lang = en ] && echo Usage || echo 用法)"
        done
        for command in submit check reports totals series coverage lineage status verify 'keys init' 'keys new' 'keys list' 'catalog check' 'stream skip'; do
                read -ra words <<<"$command"
                cli "${words[@]}" --lang $lang --help
                is "sumu $command --help" "0 " "$rc $err"
        done
done
for program in "$CLI" "$COLLECTOR" "$AGGREGATOR" "$SINK"; do
        holds "$program --version" "$("$program" --version)" '^sumu[a-z-]* [0-9]+\.[0-9]+\.[0-9]+$'
        "$program" --nonsense >/dev/null 2>&1
        is "$program --nonsense" 2 $?
done

# ---- keys
cli keys init --catalog "$catalog" --out "$run/keys"
ends "keys init never overwrites" 1 'not overwritten'
is "secrets are the owner's" '600' "$(find "$run/keys" \( -name '*.key' -o -name http.token \) -printf '%m\n' | sort -u)"
is "one folder per process" 'aggregator office-alpha office-beta office-hq sink' "$(ls "$run/keys" | paste -sd' ')"
is "each with its token" 5 "$(find "$run/keys" -name http.token | wc -l)"
cli keys new --office gamma --out "$run/keys"
ends "keys new" 0
before=$(cat "$run/keys/office-gamma/curve.key")
cli keys new --office gamma --out "$run/keys"
ends "never overwrites" 1 'not overwritten'
is "the key is the same" "$before" "$(cat "$run/keys/office-gamma/curve.key")"
cli keys list --keys "$run/keys" --format csv
is "keys list" 'alpha beta gamma hq' "$(tail -n +2 <<<"$out" | cut -d, -f1 | paste -sd' ')"

# ---- configuration
checked() { # program, yaml (printf format) [environment…]: $err, $rc
        local program=$1
        printf "$2" >"$run/c.yaml"
        shift 2
        err=$(env "$@" "$program" --config "$run/c.yaml" --check 2>&1)
        rc=$?
}
office="office: alpha\naggregator: tcp://127.0.0.1:1\nstate: $run/state\nkeys: $run/keys/office-alpha\n"
sink="aggregator: tcp://127.0.0.1:1\nstore: sqlite:$run/x.db\nforwards: []\nstate: $run/state\nkeys: $run/keys/sink\ncatalog: $catalog\n"
hub="listen: tcp://127.0.0.1:1\nfeed: tcp://127.0.0.1:2\nmemory: 96MiB\nstate: $run/state\nkeys: $run/keys/aggregator\n"
checked "$COLLECTOR" "$office"
is "a collector's configuration" '0 ok' "$rc $err"
checked "$SINK" "$sink"
is "a sink's" '0 ok' "$rc $(tail -n 1 <<<"$err")"
checked "$AGGREGATOR" "$hub"
is "an aggregator's" '0 ok' "$rc $err"
checked "$COLLECTOR" "${office}ofice: x\nhttp: {lissten: 127.0.0.1:1}\noutbox: {max_byte: 1GiB}\n"
ends "an unknown key" 1 'c\.yaml:5:1: .*"ofice".*"office"'
ends "deeper" 1 'c\.yaml:6:8: .*lissten.*listen'
ends "all at once" 1 'c\.yaml:7:10: .*max_byte.*max_bytes'
checked "$COLLECTOR" "${office}outbox: {max_bytes: lots, keep_days: -3}\nlog: {level: loud, format: xml}\nhttp: {listen: here, auth: maybe}\n"
for place in 5:21:max_bytes 5:38:keep_days 6:14:level 6:28:format 7:16:listen 7:28:auth; do
        ends "a wrong value at $place" 1 "c\.yaml:${place%:*}: .*${place##*:}"
done
checked "$COLLECTOR" 'log: {level: info}\n'
for key in office aggregator state keys; do ends "$key is needed" 1 "\"$key\" is missing.*SUMU_${key^^}"; done
checked "$COLLECTOR" 'office: [\n'
ends "no YAML" 1 'c\.yaml:[0-9]+:[0-9]+: '
checked "$COLLECTOR" "${office}office: beta\n"
ends "a key twice" 1 'c\.yaml:5:1: .*twice'
checked "$COLLECTOR" "${office}http: {listen: '0.0.0.0:1', auth: none}\n"
ends "no authentication off loopback" 1 'http\.auth none'
checked "$COLLECTOR" "${office/office-alpha/nobody}"
ends "no keys" 1 'keys/nobody'
checked "$COLLECTOR" "$office" SUMU_OUTBOX_MAX_BYTES=lots
ends "the environment goes before the file" 1 '^SUMU_OUTBOX_MAX_BYTES: .*"lots"'
checked "$COLLECTOR" "catalog: $catalog\n$office" SUMU_OFFICE=nobody
ends "an office the catalogue does not know" 1 'nobody'
checked "$AGGREGATOR" "$hub" SUMU_MEMORY=tiny
ends "aggregator: a wrong size" 1 '^SUMU_MEMORY: '
checked "$SINK" "$sink" SUMU_STORE=mysql://x
ends "sink: a store that is not known" 1 'sqlite:PATH'
checked "$SINK" "${sink/forwards: []/forwards: [x]}"
ends "sink: a forward" 1 'forwards'
for program in "$COLLECTOR" "$AGGREGATOR" "$SINK"; do
        err=$("$program" 2>&1)
        rc=$?
        ends "$program without a configuration" 1 'is missing'
        err=$("$program" --config "$run/absent.yaml" 2>&1)
        rc=$?
        ends "$program with none there" 1 'absent\.yaml'
done
chmod 644 "$run/keys/office-alpha/sign.key"
checked "$COLLECTOR" "$office"
ends "a secret that others may read" 1 'chmod 600'
chmod 600 "$run/keys/office-alpha/sign.key"
err=$(SUMU_STATE=$run/other "$COLLECTOR" --config "$run/office-0.yaml" 2>&1)
rc=$?
ends "a port that is taken" 1 'is taken'
err=$(SUMU_HTTP_LISTEN=127.0.0.1:0 "$COLLECTOR" --config "$run/office-0.yaml" 2>&1)
rc=$?
ends "an outbox that is in use" 1 'in use'
finish
