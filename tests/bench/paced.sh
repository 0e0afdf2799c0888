#!/bin/bash
# paced: twelve offices together send RATE facts a second for DURATION seconds, in reports of ROWS (100; 1000 where RATE is
# above a million). How long a report takes from when it is due until it is acknowledged, and until its totals can be read
# from the store. Where the pipeline cannot follow, the offices' windows fill, and the latencies say so.
. "$(dirname "$0")/lib.sh"
rate=${RATE:-1000000}
rows=${ROWS:-$((rate > 1000000 ? 1000 : 100))}
headquarters "${TREE:-w}"
offices rows="$rows" reports="$(reports_of $((rate * ${DURATION:-5})) "$rows")" window="${WINDOW:-64}" rate="$rate" store="$store"
measure rate "$rate"
exact
conclude paced
