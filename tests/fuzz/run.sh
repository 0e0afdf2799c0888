#!/bin/bash
# run.sh NAME PROGRAM ARGUMENT…: one libFuzzer program; then a line with how much was tried, and how fast.
# test.sh shows these lines: a target that is too slow for its share of runs says so.
set -uo pipefail
name=$1
shift
# Freed memory is kept from reuse for a while, less than ASan would: fresh pages cost more than the fuzzing.
export ASAN_OPTIONS="quarantine_size_mb=4:malloc_context_size=4${ASAN_OPTIONS:+:$ASAN_OPTIONS}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
began=$SECONDS
"$@" 2>&1 | tee "$log"
status=${PIPESTATUS[0]}
awk -v name="$name" -v seconds=$((SECONDS - began)) '
    /stat::number_of_executed_units/ { n = $2 }
    END { printf "fuzzed %s: %d inputs in %d s, %d a second\n", name, n, seconds, n / (seconds ? seconds : 1) }' "$log"
exit "$status"
