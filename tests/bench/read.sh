#!/bin/bash
# read: READERS people ask the sink for totals, series and lineage, each again PAUSE ms after the answer, while twelve offices
# send FACTS facts as hq does. Two lines, without readers and with them; then how much slower it loads. No total that is
# read may ever be smaller than before, and in the end all are the sums of the offices.
set -euo pipefail
if [ -z "${READING:-}" ]; then
        alone=$(READING=0 "$0")
        echo "$alone"
        with=$(READING=${READERS:-50} "$0")
        echo "$with"
        printf '%s\n' "$alone" "$with" | awk '{for (i = 1; i <= NF; i++) {split($i, word, "="); is[NR, word[1]] = word[2]}}
                END {printf "name=read_ratios mfacts_s_ratio=%.3f ack_p99_ms_ratio=%.3f cpu_sink_ratio=%.3f\n", is[2, "mfacts_s"] / is[1, "mfacts_s"],
                        is[2, "ack_p99_ms"] / is[1, "ack_p99_ms"], is[2, "cpu_sink"] / is[1, "cpu_sink"]}'
        exit
fi
. "$(dirname "$0")/lib.sh"
rows=${ROWS:-1000}
headquarters "${TREE:-w}"
if [ "$READING" -gt 0 ]; then
        bench_readers "$(url sink)" "$catalog" "$READING" "${PAUSE:-100}" >"$dir/read" 2>>"$dir/log/readers.log" {flow_lock}>&- &
        readers=$!
fi
offices rows="$rows" reports="$(reports_of "${FACTS:-2400000}" "$rows")" window="${WINDOW:-32}"
if [ "$READING" -gt 0 ]; then
        kill -TERM "$readers" || true
        wait "$readers" || { cat "$dir/log/readers.log" >&2; fail "a reader was not answered well"; }
        measured+=" $(cat "$dir/read")"
fi
exact
conclude read
