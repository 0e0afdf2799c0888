# lib.sh: what the checks of the contract share; each contract_*.sh sources it.
#
# The programs are seen from outside only: their commands, their HTTP, the folders they are given. In the environment:
# CLI COLLECTOR AGGREGATOR SINK (the programs), CONTRACT_PORT (the first of twenty ports of this script).
#
# A check that fails is told and counted, the script goes on; it ends with 1 if any failed.
set -uo pipefail
umask 022
export LC_ALL=C.UTF-8
unset LANGUAGE "${!SUMU_@}"
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
catalog=$here/catalog
run=$(mktemp -d "${TMPDIR:-/tmp}/sumu-contract.XXXXXX")
checks=0 failures=0
declare -A pids=()

sink_url=http://127.0.0.1:$CONTRACT_PORT
feed_port=$((CONTRACT_PORT + 1)) hub_port=$((CONTRACT_PORT + 2)) hub_http=$((CONTRACT_PORT + 3))
office_url() { echo "http://127.0.0.1:$((CONTRACT_PORT + 4 + $1))"; }

# ---- telling

fail() { # what, detail
        failures=$((failures + 1))
        printf 'FAILED %s\n%s\n' "$1" "$(cut -c 1-600 <<<"${2:-}" | sed 's/^/        /')" >&2
}

is() { # what, wanted, got
        checks=$((checks + 1))
        [ "$2" == "$3" ] || fail "$1" "wanted: $2
got:    $3"
}

holds() { # what, text, pattern (extended regular expression)
        checks=$((checks + 1))
        grep -qE -- "$3" <<<"$2" || fail "$1" "wanted: $3
got:    $2"
}

finish() {
        trap - EXIT
        stop_all
        local name log
        for log in "$run"/*.log; do
                name=$(grep -lE 'ERROR: (Address|Leak)Sanitizer|runtime error:|PRE\(|POST\(' "$log") && fail "clean log" "$name: $(tail -n 30 "$log")"
        done
        if [ "$failures" -gt 0 ]; then
                echo "$failures of $checks checks failed; see $run" >&2
                exit 1
        fi
        rm -rf "$run"
        echo "$checks checks"
}
trap 'stop_all; echo "stopped in the middle; see $run" >&2' EXIT

# ---- waiting: for the thing, never for a time

until_true() { # what, command…
        local what=$1 end=$((SECONDS + 60))
        shift
        until "$@" >/dev/null 2>&1; do
                if [ "$SECONDS" -ge "$end" ]; then
                        fail "$what" "did not come within 60 s"
                        return 1
                fi
                sleep 0.05
        done
}

# ---- daemons

start() { # name, program, arguments…
        local name=$1
        shift
        "$@" >>"$run/$name.log" 2>&1 &
        pids[$name]=$!
}

stop() { # name [signal]; $rc is its exit status
        rc=0
        [ -n "${pids[$1]:-}" ] || return 0
        kill "-${2:-TERM}" "${pids[$1]}" 2>/dev/null
        wait "${pids[$1]}" 2>/dev/null
        rc=$?
        unset "pids[$1]"
}

stop_all() {
        local name
        for name in "${!pids[@]}"; do kill -TERM "${pids[$name]}" 2>/dev/null; done
        for name in "${!pids[@]}"; do
                wait "${pids[$name]}" 2>/dev/null
                local status=$?
                [ "$status" -eq 0 ] || fail "$name stops cleanly" "exit status $status; $(tail -n 5 "$run/$name.log")"
        done
        pids=()
}

make_keys() { [ -d "$run/keys" ] || "$CLI" keys init --catalog "$catalog" --out "$run/keys" >"$run/keys.out" 2>&1; }

answers() { curl -s -o /dev/null "$1/healthz"; }
answers_or_is_gone() { answers "$2" || ! kill -0 "${pids[$1]}"; }
until_up() { # name, URL
        until_true "$1 answers" answers_or_is_gone "$1" "$2"
        answers "$2" && return
        fail "$1 starts" "$(tail -n 5 "$run/$1.log")"
        finish
}

start_hq() {
        make_keys
        mkdir -p "$run/hub" "$run/sink"
        cat >"$run/aggregator.yaml" <<EOF
listen: tcp://127.0.0.1:$hub_port
feed: tcp://127.0.0.1:$feed_port
state: $run/hub
keys: $run/keys/aggregator
http: {listen: 127.0.0.1:$hub_http}
EOF
        cat >"$run/sink.yaml" <<EOF
aggregator: tcp://127.0.0.1:$feed_port
store: sqlite:$run/sink/sumu.db
catalog: $catalog
state: $run/sink
keys: $run/keys/sink
http: {listen: 127.0.0.1:$CONTRACT_PORT}
EOF
        start aggregator "$AGGREGATOR" --config "$run/aggregator.yaml"
        start sink "$SINK" --config "$run/sink.yaml"
        until_up sink "$sink_url"
}

office_config() { # number, code, more lines…: writes $run/office-N.yaml
        local n=$1 code=$2
        shift 2
        mkdir -p "$run/office-$n"
        cat >"$run/office-$n.yaml" <<EOF
office: $code
aggregator: tcp://127.0.0.1:$hub_port
inbox: $run/inbox-$n
catalog: ${office_catalog:-$catalog}
state: $run/office-$n
keys: $run/keys/office-$code
http: {listen: '127.0.0.1:$((CONTRACT_PORT + 4 + n))'}
$(printf '%s\n' "$@")
EOF
}

start_office() { # number, code, more lines of configuration…
        make_keys
        office_config "$@"
        start "office-$1" "$COLLECTOR" --config "$run/office-$1.yaml"
        url=$(office_url "$1")
        until_up "office-$1" "$url"
}

# ---- HTTP: $status, $body

http() { # curl's arguments
        status=$(curl -s -o "$run/body" -D "$run/headers" -w '%{http_code}' --max-time 60 "$@")
        body=$(cat "$run/body")
}
field() { jq -rc "$1" <<<"$body" 2>/dev/null || echo "no JSON: $body"; }
header() { grep -i "^$1:" "$run/headers" | tail -n 1 | sed 's/^[^:]*: *//' | tr -d '\r'; }

post_json() { # body [query] [curl's arguments…]
        local data=$1 query=${2:-}
        shift $(($# < 2 ? $# : 2))
        http -X POST -H 'Content-Type: application/json' --data-binary "$data" "$@" "$url/api/v1/reports$query"
}
post_csv() { # body, query [curl's arguments…]
        local data=$1 query=$2
        shift 2
        http -X POST -H 'Content-Type: text/csv' --data-binary "$data" "$@" "$url/api/v1/reports$query"
}

is_taken() { # what
        checks=$((checks + 1))
        [ "$status" = 202 ] || fail "$1" "wanted to be taken, got $status: $body"
}

# Refused, and among the errors one with this row, column (- : null) and code; with `only`, it is the only one.
is_refused() { # what, row, column, code [only]
        is "$1: status" 422 "$status"
        local found
        found=$(jq -c '[.errors[] | [(.row // "-" | tostring), (.column // "-"), .code]] | unique | .[]' <<<"$body" 2>/dev/null)
        local want="[\"$2\",\"$3\",\"$4\"]"
        checks=$((checks + 1))
        if ! grep -qxF -- "$want" <<<"$found" || { [ "${5:-}" = only ] && [ "$(wc -l <<<"$found")" -ne 1 ]; }; then
                fail "$1" "wanted${5:+ only}: $want
got:    $body"
        fi
}

# ---- the command line: $rc, $out, $err

cli() {
        out=$("$CLI" "$@" 2>"$run/err" </dev/null)
        rc=$?
        err=$(cat "$run/err")
}
