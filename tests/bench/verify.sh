#!/bin/bash
# verify: FACTS facts, as hq sends them in reports of ROWS, are recomputed by `sumu verify`. Then sink and aggregator are
# started on a store of this size: until the report that waits at a real collector is acknowledged, and the one after it.
# The same on the empty store, before, is what the starts themselves take.
. "$(dirname "$0")/lib.sh"
rows=${ROWS:-1000}
ground "${TREE:-w}"
code=$(awk -F, 'NR == 2 {print $1}' "$catalog/offices.csv")
town=$(awk -F, -v code="$code" '$3 == "township" && index($1, code) == 1 {print $1; exit}' "$catalog/regions.csv")
indicator=counts.$(awk -F, 'NR == 2 {print $1}' "$catalog/indicators.csv")
office "$code"

hand_in() { # period: 1 more
        curl -sSf -o "$dir/receipt" -H 'Content-Type: application/json' -d '{"dataset":"counts","period":"'"$1"'","action":"add","rows":[{"region":"'"$town"'","indicator":"'"${indicator#*.}"'","value":1}]}' \
                "$(url "$code")/api/v1/reports"
}
open_hq() {
        launch sink
        launch aggregator
        await drained "$code"
}
first_and_next() { # what comes before the names
        start "$code"
        hand_in 2024-03-31
        timed open_hq
        measure "$1start_ack_ms" "$took_ms"
        hand_in 2024-03-31
        timed await drained "$code"
        measure "$1next_ack_ms" "$took_ms"
        is "$(total "$indicator" "$town" 2024-03-31 | cut -d' ' -f1)" 2
        await healthy aggregator
        stop "$code"
}

first_and_next empty_
stop aggregator
stop sink
on_empty=$measured
forget_all
start sink
start aggregator
await healthy sink
offices rows="$rows" reports="$(reports_of "${FACTS:-1200000}" "$rows")"
exact
measured+=$on_empty
cpu_before=$(cpu_ms sink)
timed verified
measure verify_s "$(per "$took_ms" 1000)"
measure verify_mfacts_s "$(per "$(figure facts)" $((took_ms * 1000)))"
measure verify_cpu "$(per $((($(cpu_ms sink) - cpu_before) * 1000)) "$(figure facts)")"
measure verify_rss_sink_mib "$(rss_mib sink)"
stop aggregator
stop sink
first_and_next ""
measure recalls_after_start "$(metric aggregator sumu_recalls_total)"
verified
conclude verify
