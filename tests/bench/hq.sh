#!/bin/bash
# hq: twelve offices send FACTS facts in reports of ROWS (100, 1000, 10000), `add`, as fast as a window of WINDOW reports
# lets them. Durable before acknowledged, at both ends; totals of four levels are in the store when it ends.
. "$(dirname "$0")/lib.sh"
rows=${ROWS:-1000}
tree=${TREE:-w}
[ "$rows" -le 1500 ] || tree=wide # so many places the smallest office of W has not
headquarters "$tree"
offices rows="$rows" reports="$(reports_of "${FACTS:-$((rows < 1000 ? 2400000 : 24000000))}" "$rows")" window="${WINDOW:-32}"
exact
conclude hq
