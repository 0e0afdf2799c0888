#!/bin/bash
# catch_up: FACTS facts lie in twelve outboxes, in reports of ROWS. HQ is there from the start signal on: connections are
# made, and everything drains.
. "$(dirname "$0")/lib.sh"
rows=${ROWS:-1000}
headquarters "${TREE:-w}"
offices rows="$rows" reports="$(reports_of "${FACTS:-12000000}" "$rows")" ahead=1
exact
conclude catch_up
