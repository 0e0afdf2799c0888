# lib.sh: HQ as its users see it. Sourced by the test_*.sh beside it, which are given the folder of the programs' build tree,
# and a port; they use the ten above it. Everything waits for the thing itself; what goes wrong is counted and told.
#
#   hq_start [CATALOG]     keys, aggregator and sink; office_start CODE… the collectors of offices
#   report OFFICE PERIOD DATASET ACTION "REGION INDICATOR VALUE"…    hands a report in;   settle: until HQ has judged them all
#   ask PATH [CURL OPTION…]  GET at the sink: the body in $body, the status in $status
#   same WHAT WANT GOT     compares; field JQ: of $body
set -euo pipefail
build=$1 port=$2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
PATH=$build/cli:$build/collector:$build/aggregator:$build/sink:$PATH
export LANG=C.UTF-8 ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=0}
sink=http://127.0.0.1:$port aggregator=http://127.0.0.1:$((port + 3))
failed=0 passed=0
declare -A pid=() url=()

finish() {
        local rc=$?
        trap - EXIT
        [ ${#pid[@]} -eq 0 ] || kill -TERM "${pid[@]}" 2>/dev/null || true
        wait || true
        if grep -l -E 'Sanitizer|runtime error|PRE failed|POST failed' "$work"/log/*.log 2>/dev/null; then failed=$((failed + 1)); fi
        if [ $rc -ne 0 ] || [ "$failed" -ne 0 ]; then tail -n 5 "$work"/log/*.log >&2 || true; fi
        echo "$passed fine, $failed not"
        if [ -z "${KEEP:-}" ]; then rm -rf "$work"; else echo "kept: $work"; fi
        if [ "$rc" -eq 0 ] && [ "$failed" -ne 0 ]; then rc=1; fi
        exit "$rc"
}
trap finish EXIT

same() { # what, wanted, got
        if [ "$2" = "$3" ]; then
                passed=$((passed + 1))
        else
                failed=$((failed + 1))
                printf 'not as promised: %s\n  wanted %s\n  got    %s\n' "${1:0:300}" "${2:0:500}" "${3:0:500}" >&2
        fi
}

holds() { # what, command…
        local what=$1; shift
        if "$@"; then same "$what" yes yes; else same "$what" yes "no: $*"; fi
}

await() { # what, command…
        local what=$1 end=$((SECONDS + 30)); shift
        until "$@"; do
                if [ $SECONDS -ge $end ]; then echo "never: $what" >&2; exit 1; fi
                sleep 0.05
        done
}

healthy() { curl -s -o "$work/health" "$1/healthz"; }

start() { # name, program, URL
        "$2" --config "$work/conf/$1.yaml" >>"$work/log/$1.log" 2>&1 &
        pid[$1]=$!
        await "$1 is up" healthy "$3"
}

stop() { # name, signal
        kill "-${2:-TERM}" "${pid[$1]}"
        wait "${pid[$1]}" || true
        unset "pid[$1]"
}

hq_start() { # catalogue; SINK_HTTP: more of the sink's http
        mkdir -p "$work"/{conf,log,state}
        cp -r "${1:-$here/catalog}" "$work/catalog"
        sumu keys init --catalog "$work/catalog" --out "$work/keys" >/dev/null 2>&1
        cat >"$work/conf/aggregator.yaml" <<YAML
listen: tcp://127.0.0.1:$((port + 1))
feed: tcp://127.0.0.1:$((port + 2))
state: $work/state/aggregator
keys: $work/keys/aggregator
http: {listen: 127.0.0.1:$((port + 3))}
YAML
        cat >"$work/conf/sink.yaml" <<YAML
aggregator: tcp://127.0.0.1:$((port + 2))
store: sqlite:$work/state/sumu.db
catalog: $work/catalog
state: $work/state/sink
keys: $work/keys/sink
http: {listen: 127.0.0.1:$port${SINK_HTTP:-}}
YAML
        mkdir -p "$work/state/aggregator"
        start aggregator sumu-aggregator "$aggregator"
        start sink sumu-sink "$sink"
}

offices_started=0
office_start() { # code…; CATALOG_OF_OFFICE: its own, else none
        local o p
        for o in "$@"; do
                p=$((port + 4 + offices_started))
                offices_started=$((offices_started + 1))
                url[$o]=http://127.0.0.1:$p
                cat >"$work/conf/$o.yaml" <<YAML
office: '$o'
aggregator: tcp://127.0.0.1:$((port + 1))
inbox: $work/inbox/$o
state: $work/state/$o
keys: $work/keys/office-$o
http: {listen: 127.0.0.1:$p}
YAML
                mkdir -p "$work/inbox/$o"
                start "$o" sumu-collector "http://127.0.0.1:$p"
        done
}

report() { # office, period, dataset, action, "region indicator value"…
        local o=$1 p=$2 d=$3 a=$4; shift 4
        printf '%s\n' "$@" | jq -Rnc --arg d "$d" --arg p "$p" --arg a "$a" \
                '{dataset: $d, period: $p, action: $a, rows: [inputs | select(. != "") | split(" ") | {region: .[0], indicator: .[1], value: .[2]}]}' >"$work/report.json"
        status=$(curl -s -o "$work/receipt" -w '%{http_code}' -H 'Content-Type: application/json' --data-binary @"$work/report.json" "${url[$o]}/api/v1/reports")
        [ "$status" = 202 ] || { echo "office $o did not take $d $p: $(cat "$work/receipt")" >&2; return 1; }
}

judged() { # office
        [[ $(curl -s "${url[$1]}/api/v1/reports?state=pending&limit=1") == *'"reports":[]'* ]]
}

settle() {
        local o
        for o in "${!url[@]}"; do await "the reports of $o are judged" judged "$o"; done
}

ask() { # path, curl options…
        local path=$1; shift
        status=$(curl -s -o "$work/body" -w '%{http_code}' "$@" "$sink$path") || status=000
        body=$(tr -d '\0' <"$work/body")
}

field() { jq -c "$1" <<<"$body"; }

# of the first total of $body: value qualifier facts
figure() { jq -r '.totals[0] | "\(.value) \(.qualifier) \(.facts)" + (if .overflow then " overflow" else "" end)' <<<"$body"; }

total() { # what, wanted "value qualifier facts", query
        ask "/api/v1/totals?$3"
        if [ "$status" = 200 ]; then same "$1 ($3)" "$2" "$(figure)"; else same "$1 ($3)" "$2" "$status $body"; fi
}

refused() { # what, status, code, path, curl options…
        local what=$1 want=$2 code=$3; shift 3
        ask "$@"
        same "$what ($1)" "$want $code" "$status $(jq -r '.error | select(.message | length > 5) | .code' <<<"$body" 2>/dev/null)"
}
