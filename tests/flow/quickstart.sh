#!/bin/bash
# One command brings the region up, and every figure of the four articles comes back: quickstart.sh --once says so by its
# status, and published.sh prints them all.
. "$(dirname "$0")/lib.sh"
cd "$source_tree"
SUMU_PORTS=$((flow_ports - 7600)) SUMU_RUN=$dir/run setpriv --pdeathsig TERM ./quickstart.sh --once >"$dir/told" 2>"$dir/said" ||
        { cat "$dir/said" "$dir/told" >&2; fail "quickstart.sh --once failed"; }
figures=$(grep -vc -e '^#' -e '^article,' catalog/neimenggu/example/published.csv)
says "$(cat "$dir/told")" "$figures of $figures figures are exactly those of the articles"
! grep -rlE 'Sanitizer|runtime error' "$dir/run/log" || fail "a daemon misbehaved"
