#!/bin/bash
# trickle: REPORTS reports of one fact, one after the other. With a clerk: from the POST at a real collector until the
# regional total can be read at the sink's API, and until the collector says `accepted`. WITHOUT_HTTP=1: from the outbox of a
# simulated office until its mark and its verdict are kept, which is what the bare pipeline's trickle is to be held against.
. "$(dirname "$0")/lib.sh"
reports=${REPORTS:-2000}
headquarters "${TREE:-w}"
if [ -n "${WITHOUT_HTTP:-}" ]; then
        offices rows=1 reports="$reports" window=1 senders=1
        exact
        conclude trickle_without_http
else
        code=$(awk -F, 'NR == 2 {print $1}' "$catalog/offices.csv")
        office "$code"
        start "$code"
        await healthy "$code"
        before=$(($(cpu_ms "$code") + $(cpu_ms aggregator) + $(cpu_ms sink)))
        measured=$(bench_clerk "$(url "$code")" "$(url sink)" "$catalog" "$reports" 2>>"$dir/log/clerk.log") || {
                cat "$dir/log/clerk.log" >&2
                fail "the clerk did not come to an end"
        }
        measure cpu_ms_report "$(awk -v ms=$(($(cpu_ms "$code") + $(cpu_ms aggregator) + $(cpu_ms sink) - before)) -v n="$reports" 'BEGIN {printf "%.3f", ms / n}')"
        is "$(sql "SELECT count(*), sum(verdict = 'accepted') FROM report")" "$reports,$reports"
        verified
        punctual "$code"
        conclude trickle
fi
