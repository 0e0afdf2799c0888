#!/bin/bash
# siege.sh hostile|long: strangers and false friends at every door of the real daemons, while an honest office reports.
#
# After everything: not one foreign frame has changed a total, the honest office's reports went through all the time,
# memory and descriptors are what they were before.
. "$(dirname "$0")/../flow/lib.sh"
peer=$SUMU_BIN/tests/hostile/hostile_peer
case ${1:-hostile} in
long) many=20 silent=2000 ;;
*) many=1 silent=2000 ;;
esac
# MiB. A sanitizer surrounds and keeps what is allocated, and gives nothing back: there it is only not without end.
grow=16
if grep -qa __asan_init "$SUMU_BIN/aggregator/sumu-aggregator"; then
        export ASAN_OPTIONS=quarantine_size_mb=4
        grow=512
fi

region "$source_tree/catalog/neimenggu"
for name in aggregator sink; do start $name; done
await healthy aggregator
office 150400
start 150400

rss() { awk '$1 == "VmRSS:" {print int($2 / 1024)}' "/proc/${pid_of[$1]}/status"; }
fds() { find "/proc/${pid_of[$1]}/fd" -type l 2>/dev/null | wc -l; }
declare -A rss_of fds_of
frames=0
sent() { frames=$((frames + $1)); }
reports=0
report() { # the office's figures go on
        local told
        told=$("$peer" honest "${port_of[150400]}" 150402 "$1") || fail "the honest office is not heard"
        echo "        $told; aggregator $(rss aggregator) MiB"
        reports=$((reports + $1))
}
doors=("$((flow_ports + 1))" "$((flow_ports + 2))")
desks=("${port_of[aggregator]}" "${port_of[sink]}" "${port_of[150400]}")
office_door=tcp://127.0.0.1:${doors[0]}
feed_door=tcp://127.0.0.1:${doors[1]}
in_the_meantime() { # COMMAND…: while it runs the office reports
        "$@" >"$dir/sent" &
        local it=$!
        report 20
        wait $it || fail "$*"
        sent "$(cat "$dir/sent")"
}

chapter "in peace"
report 100
for _ in 1 2 3 4; do is "$(total gunexp.firearms_seized 150000 2023)" "$reports exact 1"; done
verified
for name in aggregator sink 150400; do
        rss_of[$name]=$(rss $name)
        fds_of[$name]=$(fds $name)
done

chapter "$silent connections that say nothing, at each door"
mkfifo "$dir/hold"
for door in "${doors[@]}"; do "$peer" hold "$door" $silent <"$dir/hold" >>"$dir/holding" & done
exec {hold}>"$dir/hold"
is_held() { [ "$(grep -c ready "$dir/holding")" = 2 ]; }
await is_held
report 20
exec {hold}>&-

chapter "greetings that are none, other mechanisms, other versions, a gigabyte announced"
for door in "${doors[@]}"; do in_the_meantime "$peer" greet "$door" $((10000 * many)); done
for door in "${doors[@]}"; do in_the_meantime "$peer" dribble "$door" 100 20; done

chapter "keys that nobody knows"
for door in "$office_door" "$feed_door"; do in_the_meantime "$peer" stranger "$door" "$dir/keys/office-150500" 100; done

chapter "HTTP that is none, and heads that do not end"
for desk in "${desks[@]}"; do in_the_meantime "$peer" http "$desk" $((2000 * many)); done
mkfifo "$dir/loris"
for desk in "${desks[@]}"; do "$peer" loris "$desk" 300 <"$dir/loris" >>"$dir/lying" & done
exec {hold}>"$dir/loris"
lies() { [ "$(grep -c ready "$dir/lying")" = 3 ]; }
await lies
report 20
for name in aggregator sink; do await healthy $name; done
exec {hold}>&-

chapter "an office that makes no sense"
in_the_meantime "$peer" insider "$office_door" "$dir/keys/office-150500" 150500 $((40000 * many))
two() { # of the same office
        "$peer" insider "$office_door" "$dir/keys/office-150500" 150500 $((20000 * many)) >"$dir/sent-2" &
        local other=$!
        "$peer" insider "$office_door" "$dir/keys/office-150500" 150500 $((20000 * many)) >"$dir/sent-1"
        wait $other && echo $(($(cat "$dir/sent-1") + $(cat "$dir/sent-2")))
}
in_the_meantime two

chapter "messages of very many frames"
in_the_meantime "$peer" crowd "$office_door" "$dir/keys/office-150500" 150500 5000 100
in_the_meantime "$peer" crowd "$office_door" "$dir/keys/office-150500" 150500 2000 200000
# libzmq holds a message until its last frame is there (docs/operator.md).
echo "        the aggregator had $(awk '$1 == "VmHWM:" {print int($2 / 1024)}' "/proc/${pid_of[aggregator]}/status") MiB at most"

chapter "signed reports of another's region, repeated and out of order"
in_the_meantime "$peer" trespass "$office_door" "$dir/keys/office-150300" 150300 "$catalog" 150302 150402 100
verdicts=$(sumu reports --office 150300 --format json | jq -r '[.. | objects | select(.office? and .verdict?) | .verdict] | group_by(.) | map("\(length) \(.[0])") | join(", ")')
is "$verdicts" "50 accepted, 50 rejected"

chapter "$frames malformed frames: what is left of them"
[ "$frames" -ge 100000 ] || fail "$frames are too few"
await drained 150400
is "$(total gunexp.firearms_seized 150402 2023)" "$reports exact 1"
is "$(total gunexp.firearms_seized 150000 2023)" "$((reports + 50)) exact 2"
verified
healthy sink || fail "the sink is not well: $(cat "$dir/health")"
# The aggregator names the office it has refused, and has no other complaint.
is "$(ask aggregator /healthz | jq -r '[.. | .code? // empty] | map(select(startswith("refused-") | not)) | join(",")')" ""
few() { [ "$(fds "$1")" -le $((fds_of[$1] + 2)) ]; }
small() { [ $(($(rss "$1") - rss_of[$1])) -le $grow ]; }
for name in aggregator sink 150400; do
        await few $name
        await small $name
        echo "        $name: ${rss_of[$name]} MiB before, $(rss $name) MiB now; ${fds_of[$name]} descriptors before, $(fds $name) now"
done
punctual aggregator sink 150400
stop_all
