#!/bin/bash
# Who may ask, how the daemons are, and what is counted.
source "$(dirname "$0")/lib.sh"
SINK_HTTP=', auth: token' hq_start
token=$(cat "$work/keys/sink/http.token")
auth=(-H "Authorization: Bearer $token")

# a token
refused "without a token" 401 unauthorized "/api/v1/catalog"
refused "another token" 401 unauthorized "/api/v1/catalog" -H "Authorization: Bearer ${token}x"
refused "an empty one" 401 unauthorized "/api/v1/catalog" -H "Authorization: Bearer "
refused "another scheme" 401 unauthorized "/api/v1/catalog" -H "Authorization: Basic $token"
refused "metrics" 401 unauthorized "/metrics"
refused "what is not there" 401 unauthorized "/nothing"
ask /healthz
same "healthz needs none" 200 "$status"
ask /api/v1/catalog "${auth[@]}"
same "with the token" 200 "$status"
ask /api/v1/catalog "${auth[@]}" -H 'Host: figures.example'
same "with the token under any name" 200 "$status"
curl -s -i -c "$work/jar" -o "$work/first" "$sink/?token=$token"
holds "once in the address of the page sets a cookie" grep -qi '^set-cookie:.*HttpOnly' "$work/first"
holds "which is not sent from other sites" grep -qi '^set-cookie:.*SameSite=\(Strict\|Lax\)' "$work/first"
ask /api/v1/catalog -b "$work/jar"
same "the cookie opens" 200 "$status"
curl -s -i -o "$work/first" "$sink/?token=x"
holds "a wrong one does not" grep -q ' 401' "$work/first"
holds "and sets nothing" test -z "$(grep -i '^set-cookie' "$work/first")"
rc=0; sumu totals --sink "$sink" --indicator flow --period 2023 >"$work/out" 2>&1 || rc=$?
same "sumu without it" 1 $rc
rc=0; SUMU_TOKEN_FILE=$work/keys/sink/http.token sumu totals --sink "$sink" --indicator flow --period 2023 >"$work/out" 2>&1 || rc=$?
same "sumu with it" 0 $rc
rc=0; sumu verify --sink "$sink" --token-file "$work/keys/sink/http.token" >"$work/out" 2>&1 || rc=$?
same "sumu verify with it" 0 $rc
# off loopback: none is refused, token is the default
sed "s/listen: 127.0.0.1:$port, auth: token/listen: 0.0.0.0:$port, auth: none/" "$work/conf/sink.yaml" >"$work/conf/open.yaml"
rc=0; timeout 20 sumu-sink --config "$work/conf/open.yaml" >"$work/out" 2>&1 || rc=$?
same "none off loopback is refused at start" 1 $rc
stop sink
sed -i "s/listen: 127.0.0.1:$port, auth: token/listen: 0.0.0.0:$port/" "$work/conf/sink.yaml"
start sink sumu-sink "$sink"
refused "off loopback a token by default" 401 unauthorized "/api/v1/catalog"

# health
state() { curl -s "$1/healthz" | jq -r .status; }
is() { [ "$(state "$1")" = "$2" ]; }
office_start a
await "all well: sink" is "$sink" ok
await "all well: aggregator" is "$aggregator" ok
await "all well: office" is "${url[a]}" ok
stop sink
await "the aggregator misses the sink" is "$aggregator" degraded
same "degraded is 200" 200 "$(curl -s -o "$work/health" -w '%{http_code}' "$aggregator/healthz")"
holds "and says why" test -n "$(jq -r '.reasons[0]' "$work/health")"
report a 2023-03-01 d replace "A1 flow 1"
stop aggregator
await "the office misses HQ" is "${url[a]}" degraded
start sink sumu-sink "$sink"
await "the sink misses the aggregator" is "$sink" degraded
start aggregator sumu-aggregator "$aggregator"
await "well again: sink" is "$sink" ok
await "well again: aggregator" is "$aggregator" ok
settle
await "well again: office" is "${url[a]}" ok
ask "/api/v1/totals?indicator=flow&period=2023" "${auth[@]}"
same "and nothing was lost" 1 "$(field '.totals[0].value')"
rc=0; sumu health "$sink" >/dev/null || rc=$?
same "sumu health" 0 $rc
rc=0; sumu health http://127.0.0.1:1 >"$work/out" 2>&1 || rc=$?
same "of nobody" 1 $rc

# metrics: text of Prometheus, every name of ours with help and type, counters that end so
for of in "$sink" "$aggregator" "${url[a]}"; do
        curl -s -i "${auth[@]}" "$of/metrics" | tr -d '\r' >"$work/metrics"
        holds "type of $of" grep -qi '^content-type: text/plain; version=0.0.4' "$work/metrics"
        sed '1,/^$/d' "$work/metrics" >"$work/samples"
        same "samples of $of" "" "$(awk '
                /^# HELP / {help[$3] = 1; next}
                /^# TYPE / {type[$3] = $4; next}
                !/^[a-z_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? -?[0-9][0-9.e+-]*$/ {print "malformed: " $0; next}
                {name = $1; sub(/\{.*/, "", name)
                 if (name !~ /^(sumu|process)_/) print "not ours: " name
                 if (!(name in help) || !(name in type)) print "without help or type: " name
                 if ((type[name] == "counter") != (name ~ /_total$/)) print "no name for a " type[name] ": " name}' "$work/samples")"
        holds "some of $of" test "$(grep -c '^sumu_' "$work/samples")" -ge 5
        if command -v promtool >/dev/null; then holds "promtool on $of" promtool check metrics <"$work/samples"; fi
done

# the daemons' --check and signals
for d in sink aggregator a; do
        rc=0; "sumu-$( [ $d = a ] && echo collector || echo $d)" --config "$work/conf/$d.yaml" --check >"$work/out" 2>&1 || rc=$?
        same "--check of $d" 0 $rc
done
sed 's/^store:/stoer:/' "$work/conf/sink.yaml" >"$work/conf/odd.yaml"
rc=0; sumu-sink --config "$work/conf/odd.yaml" --check >"$work/out" 2>&1 || rc=$?
same "an unknown key is a fault" 1 $rc
holds "with its line and the nearest" grep -qE ':2:.*store' "$work/out"
rc=0; SUMU_STORE=oracle:x sumu-sink --config "$work/conf/sink.yaml" --check >"$work/out" 2>&1 || rc=$?
same "a key from the environment" 1 $rc
kill -TERM "${pid[sink]}"
rc=0; wait "${pid[sink]}" || rc=$?
unset 'pid[sink]'
same "SIGTERM stops cleanly" 0 $rc
