# shellcheck shell=bash
# lib.sh: the real programs, started, asked, frozen, killed and started again, by a test.
#
#   . tests/flow/lib.sh            at the top of a test, with SUMU_BIN set (ctest does). From here on:
#
#   $dir                           a folder of the test's own, gone at the end (kept if FLOW_KEEP is set)
#   region CATALOG [KEY: VALUE]…   keys for all of the catalogue, configurations of aggregator (further lines as given) and sink
#   office CODE [KEY: VALUE]…      the configuration of a collector, further lines of it as given
#   start NAME [FLAG]…             aggregator (or aggregator-2 …), sink or an office; returns when its HTTP answers
#   stop NAME                      asked to end; its exit status has to be 0 (LeakSanitizer has a say in it)
#   crash NAME, freeze NAME, thaw NAME
#   url NAME                       its HTTP
#   submit NAME ARGUMENT…          sumu submit to the collector of an office
#   await COMMAND…                 runs it until it succeeds; the test fails after FLOW_PATIENCE seconds
#   is TOLD WANTED, says TEXT PART, fail SENTENCE…
#
# Everything waits for the thing itself. Ports are a block of a hundred that no other test holds; whatever happens, no
# process and no folder is left behind.
set -euo pipefail
FLOW_PATIENCE=${FLOW_PATIENCE:-60}
flow=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source_tree=$(cd "$flow/../.." && pwd)
: "${SUMU_BIN:?the folder of the build to test, such as build/debug}"
SUMU_BIN=$(cd "$SUMU_BIN" && pwd)
PATH=$SUMU_BIN/cli:$SUMU_BIN/collector:$SUMU_BIN/aggregator:$SUMU_BIN/sink:$PATH
export LC_ALL=C.UTF-8

dir=$(mktemp -d "${TMPDIR:-/tmp}/sumu-flow.XXXXXX")
declare -A pid_of port_of
flow_end() {
        local status=$?
        trap - EXIT
        for p in "${pid_of[@]}" $(jobs -p); do kill -KILL "$p" 2>/dev/null || true; done
        wait 2>/dev/null || true
        if [ $status -ne 0 ]; then grep -E 'level=(warn|error)|Sanitizer|runtime error|^ +#' "$dir"/log/*.log | tail -n 40 >&2 || true; fi
        if [ -n "${FLOW_KEEP:-}" ]; then echo "kept: $dir" >&2; else rm -rf "$dir"; fi
        exit $status
}
trap flow_end EXIT
trap 'exit 130' INT TERM

fail() {
        local at=0
        while [ "${BASH_SOURCE[$at]}" = "${BASH_SOURCE[0]}" ] && [ $at -lt $((${#BASH_SOURCE[@]} - 1)) ]; do at=$((at + 1)); done
        echo "${BASH_SOURCE[$at]##*/}:${BASH_LINENO[$((at > 0 ? at - 1 : 0))]}: $*" >&2
        exit 1
}
is() { [ "$1" = "$2" ] || fail "it is \"$1\" and not \"$2\""; }
says() { case "$1" in *"$2"*) ;; *) fail "\"$1\" does not say \"$2\"" ;; esac }
chapter() { printf '%5ds %s\n' "$SECONDS" "$*"; }

turn() { read -rt 0.05 <>"$dir/never" || true; } # the only pause there is, between two looks at the same thing
mkfifo "$dir/never"
await() {
        local until=$((SECONDS + FLOW_PATIENCE))
        until "$@" >/dev/null 2>&1; do
                [ $SECONDS -lt $until ] || fail "in vain for ${FLOW_PATIENCE}s: $*"
                turn
        done
}

# A block of ports is held by a lock on its file for as long as this shell lives.
for ((flow_ports = 20000 + $$ % 100 * 100; ; flow_ports = flow_ports < 29900 ? flow_ports + 100 : 20000)); do
        exec {flow_lock}>"${TMPDIR:-/tmp}/sumu-flow-ports-$flow_ports"
        if flock -n "$flow_lock" && [ -z "$(ss -Htln "sport >= :$flow_ports and sport < :$((flow_ports + 100))")" ]; then break; fi
        exec {flow_lock}>&-
done
port_of[sink]=$flow_ports
port_of[aggregator]=$((flow_ports + 5))
url() { echo "http://127.0.0.1:${port_of[$1]}"; }

region() {
        catalog=$1
        shift
        mkdir -p "$dir/conf" "$dir/log" "$dir/state/aggregator" "$dir/state/sink"
        sumu keys init --catalog "$catalog" --out "$dir/keys" >/dev/null
        cat >"$dir/conf/aggregator.yaml" <<-END
		listen: tcp://127.0.0.1:$((flow_ports + 1))
		feed: tcp://127.0.0.1:$((flow_ports + 2))
		state: $dir/state/aggregator
		keys: $dir/keys/aggregator
		http: {listen: 127.0.0.1:${port_of[aggregator]}}
	END
        [ $# -eq 0 ] || printf '%s\n' "$@" >>"$dir/conf/aggregator.yaml"
        cat >"$dir/conf/sink.yaml" <<-END
		aggregator: tcp://127.0.0.1:$((flow_ports + 2))
		store: sqlite:$dir/state/sink/sumu.db
		catalog: $catalog
		state: $dir/state/sink
		keys: $dir/keys/sink
		http: {listen: 127.0.0.1:${port_of[sink]}}
	END
        export SUMU_SINK
        SUMU_SINK=$(url sink)
}

office() { # The catalogue is the region's unless a line `catalog:` says otherwise.
        local name=$1
        shift
        [ -n "${port_of[$name]:-}" ] || port_of[$name]=$((flow_ports + 8 + ${#port_of[@]}))
        mkdir -p "$dir/state/$name"
        {
                echo "office: '$name'"
                echo "aggregator: tcp://127.0.0.1:$((flow_ports + 1))"
                echo "state: $dir/state/$name"
                echo "http: {listen: 127.0.0.1:${port_of[$name]}}"
                [[ "$*" = *catalog:* ]] || echo "catalog: $catalog"
                [[ "$*" = *keys:* ]] || echo "keys: $dir/keys/office-$name"
                [ $# -eq 0 ] || printf '%s\n' "$@"
        } >"$dir/conf/$name.yaml"
}

# A collector with HQ away, an aggregator without a sink are "degraded" or "failing" and answer all the same.
answers() { [ "$(curl -s -o "$dir/health" -w '%{http_code}' "$(url "$1")/healthz")" != 000 ]; }
up_or_dead() { answers "$1" || ! kill -0 "${pid_of[$1]}" 2>/dev/null; }
with=() # a program that starts the daemons, and its arguments
launch() {
        local name=$1 program=sumu-collector
        shift
        case $name in aggregator* | sink) program=sumu-${name%%-*} ;; esac
        setpriv --pdeathsig KILL "${with[@]}" "$program" --config "$dir/conf/$name.yaml" "$@" >>"$dir/log/$name.log" 2>&1 {flow_lock}>&- &
        pid_of[$name]=$!
}
start() {
        launch "$@"
        await up_or_dead "$1"
        kill -0 "${pid_of[$1]}" 2>/dev/null || fail "$1 does not come up"
}
ended() { # name, the status it has to have
        local status=0
        wait "${pid_of[$1]}" 2>/dev/null || status=$?
        unset "pid_of[$1]"
        [ $status -eq "$2" ] || fail "$1 ended with status $status and not $2"
}
gone() { ! kill -0 "${pid_of[$1]}" 2>/dev/null; }
stop() {
        kill -TERM "${pid_of[$1]}"
        await gone "$1"
        ended "$1" 0
}
crash() {
        kill -KILL "${pid_of[$1]}"
        ended "$1" 137
}
freeze() { kill -STOP "${pid_of[$1]}"; }
thaw() { kill -CONT "${pid_of[$1]}"; }
stop_all() { for name in "${!pid_of[@]}"; do stop "$name"; done; }

submit() {
        local name=$1
        shift
        sumu submit --collector "$(url "$name")" --yes "$@" </dev/null
}
ask() { curl -sS "$(url "$1")$2"; } # name, path
healthy() { [ "$(curl -s -o "$dir/health" -w '%{http_code}' "$(url "$1")/healthz")" = 200 ] && grep -q '"status":"ok"' "$dir/health"; }
complains() { curl -s "$(url "$1")/healthz" | grep -q "$2"; } # name, what
drained() { [ "$(ask "$1" '/api/v1/reports?state=pending&limit=1')" = '{"reports":[]}' ]; }
states() { ask "$1" "/api/v1/reports?limit=1000${2:-}" | jq -r '.reports[].state' | sort | uniq -c | awk '{printf "%s%s %s", (NR > 1 ? ", " : ""), $1, $2}'; }
total() { # indicator, region, period: "value qualifier facts"
        sumu totals --indicator "$1" --region "$2" --period "$3" --format csv | tr -d '\r' |
                awk -F, 'NR == 1 {for (i = 1; i <= NF; i++) at[$i] = i} NR == 2 {print $at["value"], $at["qualifier"], $at["facts"]}'
}
metric() { curl -sS "$(url "$1")/metrics" | awk -v name="$2" '$1 == name {print $2}'; } # name, metric
punctual() { # name…: none has slept over a message
        local name
        for name in "$@"; do is "$name $(metric "$name" sumu_late_wakeups_total)" "$name 0"; done
}
verified() { # What HQ stores agrees with the reports, figure by figure, and the reports with their chain.
        sumu verify >"$dir/verify" 2>&1 || { cat "$dir/verify" >&2; fail "sumu verify finds differences"; }
}

# Every figure of the region below is that of a plain loop over what was handed in: plainly FILE…; see plain.awk.
plainly() { awk -v catalog="$catalog" -f "$flow/plain.awk" "$@" | sort; }
held() { # As plainly prints them, what the sink answers: for the regions of the file given, each dataset in its periods.
        local regions dataset period indicators
        regions=$(cut -d, -f2 "$1" | sort -u)
        awk -F, '{split($1, d, "."); print d[1], $3}' "$1" | sort -u | while read -r dataset period; do
                indicators=$(grep "^$dataset\\." "$1" | cut -d, -f1 | sort -u | paste -sd,)
                for region in $regions; do
                        echo "url = \"$(url sink)/api/v1/totals?indicator=$indicators&region=$region&period=$period\""
                done
        done >"$dir/asked"
        curl -sSf -K "$dir/asked" |
                jq -r '.totals[] | select(.facts > 0) | [.indicator, .region, .period, .value, .qualifier, .facts] | join(",")' | sort
}
same_as_plainly() { # FILE…: the rows that were handed in
        plainly "$@" >"$dir/plain"
        held "$dir/plain" >"$dir/held"
        [ -s "$dir/plain" ] || fail "nothing was handed in"
        diff "$dir/plain" "$dir/held" >"$dir/diff" || { head -n 20 "$dir/diff" >&2; fail "totals differ: plain <, held >"; }
        chapter "$(wc -l <"$dir/plain") totals are those of a plain loop"
}
