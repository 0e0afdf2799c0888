#!/bin/bash
# ./quickstart.sh          sets up, builds, starts the whole system on loopback under ./run/, submits the example reports,
#                          prints the region's totals and where the dashboard is; stays until Ctrl-C.
# ./quickstart.sh --once   the same, but stops after printing; exit 0 only if every figure of published.csv came back exactly.
#
# Ports: sink 7600, aggregator 7601 (offices), 7602 (feed), 7605 (http), collectors 7610 and up. SUMU_PORTS=N adds N to all of
# them, SUMU_RUN names another folder than ./run.
set -euo pipefail
cd "$(dirname "$0")"
once=
case "${1:-}" in
--once) once=1 ;;
'') ;;
*) echo "usage: ./quickstart.sh [--once]" >&2; exit 2 ;;
esac
say() { printf '\033[1m== %s\033[0m\n' "$*" >&2; }

tools/setup.sh
if [ -z "${SUMU_BIN:-}" ]; then
        say "building 构建"
        cmake --preset release -DBUILD_TESTING=OFF >/dev/null
        cmake --build --preset release -j "$(nproc)" | tail -n 1
        SUMU_BIN=$PWD/build/release
fi
PATH=$SUMU_BIN/cli:$SUMU_BIN/collector:$SUMU_BIN/aggregator:$SUMU_BIN/sink:$SUMU_BIN:$PATH

run=${SUMU_RUN:-$PWD/run}
plus=${SUMU_PORTS:-0}
catalog=$PWD/catalog/neimenggu
sink_url=http://127.0.0.1:$((7600 + plus))
mkdir -p "$run/log" "$run/conf"
[ -d "$run/keys" ] || sumu keys init --catalog "$catalog" --out "$run/keys" >/dev/null

pids=()
stop() {
        trap - EXIT INT TERM
        [ ${#pids[@]} -eq 0 ] || kill -TERM "${pids[@]}" 2>/dev/null || true
        wait 2>/dev/null || true
}
trap stop EXIT
trap 'exit 130' INT TERM

start() { # name, program
        "$2" --config "$run/conf/$1.yaml" >>"$run/log/$1.log" 2>&1 &
        pids+=($!)
}

wait_for() { # what, command…
        local what=$1; shift
        for _ in $(seq 300); do
                "$@" >/dev/null 2>&1 && return 0
                sleep 0.1
        done
        echo "quickstart: $what did not come up; see $run/log/" >&2
        tail -n 3 "$run"/log/*.log >&2
        exit 1
}

cat >"$run/conf/aggregator.yaml" <<EOF
listen: tcp://127.0.0.1:$((7601 + plus))
feed: tcp://127.0.0.1:$((7602 + plus))
state: $run/state/aggregator
keys: $run/keys/aggregator
http: {listen: 127.0.0.1:$((7605 + plus))}
EOF
cat >"$run/conf/sink.yaml" <<EOF
aggregator: tcp://127.0.0.1:$((7602 + plus))
store: sqlite:$run/state/sink/sumu.db
catalog: $catalog
state: $run/state/sink
keys: $run/keys/sink
http: {listen: 127.0.0.1:$((7600 + plus))}
EOF
mkdir -p "$run/state/aggregator" "$run/state/sink"

say "starting 启动"
start aggregator sumu-aggregator
start sink sumu-sink
port=$((7610 + plus))
offices=()
for folder in "$catalog"/example/1*/; do
        office=$(basename "$folder")
        offices+=("$office")
        mkdir -p "$run/state/$office" "$run/inbox/$office"
        cat >"$run/conf/$office.yaml" <<EOF
office: '$office'
aggregator: tcp://127.0.0.1:$((7601 + plus))
inbox: $run/inbox/$office
catalog: $catalog
state: $run/state/$office
keys: $run/keys/office-$office
http: {listen: 127.0.0.1:$port}
EOF
        start "$office" sumu-collector
        port=$((port + 1))
done
wait_for "the sink" sumu health "$sink_url"
port=$((7610 + plus))
for office in "${offices[@]}"; do
        wait_for "the collector of $office" sumu health "http://127.0.0.1:$port"
        port=$((port + 1))
done

say "submitting the example reports of ${#offices[@]} offices 提交示例报告"
port=$((7610 + plus))
submitting=()
for office in "${offices[@]}"; do
        sumu submit --collector "http://127.0.0.1:$port" --yes --wait --timeout 120 "$catalog"/example/"$office"/* >"$run/log/submit-$office.log" 2>&1 &
        submitting+=($!)
        port=$((port + 1))
done
failed=0
for i in "${!submitting[@]}"; do
        wait "${submitting[$i]}" || { failed=1; echo "quickstart: ${offices[$i]}:" >&2; cat "$run/log/submit-${offices[$i]}.log" >&2; }
done
[ $failed -eq 0 ] || exit 1

say "the four articles' figures 四篇报道的数据"
rc=0
tools/published.sh "$sink_url" "$catalog/example/published.csv" || rc=$?
echo
echo "The split among offices is an example of ours; the totals are the articles'. 各单位分解数为示例，合计数与报道一致。"
if [ -n "$once" ]; then
        exit "$rc"
fi
echo "dashboard 看板: $sink_url/    logs 日志: $run/log/    Ctrl-C stops 停止"
wait
