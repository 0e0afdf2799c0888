#!/bin/bash
# hq_replace: each office says every day anew what stands (`replace`, ROWS facts), FACTS / 2 facts in all; then every one of
# these reports is corrected. The days are as many as it takes: 180 where nothing else is said.
. "$(dirname "$0")/lib.sh"
rows=${ROWS:-1000}
reports=$(reports_of "${FACTS:-4320000}" "$rows")
headquarters "${TREE:-w}"
offices rows="$rows" reports=$((reports / 2 * 2)) window="${WINDOW:-32}" replace=1
measure days $((reports / 2))
exact
conclude hq_replace
