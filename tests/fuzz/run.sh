#!/bin/bash
# run.sh NAME PROGRAM ARGUMENT…: one libFuzzer program; then a line with how much was tried, and how fast.
# test.sh shows these lines: a target that its seconds did not suffice for says how much it was to try.
set -uo pipefail
name=$1
shift
# Freed memory is kept from reuse for a while, less than ASan would, and of what is new the beginning is filled:
# cold pages cost more than the fuzzing.
export ASAN_OPTIONS="quarantine_size_mb=1:malloc_context_size=2:max_malloc_fill_size=64${ASAN_OPTIONS:+:$ASAN_OPTIONS}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
began=$SECONDS
"$@" 2>&1 | tee "$log"
status=${PIPESTATUS[0]}
goal=$(grep -o -m1 -- '-runs=[0-9]*' <<<"$*" | cut -d= -f2)
awk -v name="$name" -v seconds=$((SECONDS - began)) -v goal="$goal" '
    /stat::number_of_executed_units/ { n = $2 }
    END { printf "fuzzed %s: %d inputs in %d s, %d a second%s\n", name, n, seconds, n / (seconds ? seconds : 1),
                 n < goal ? ", of " goal : "" }' "$log"
exit "$status"
