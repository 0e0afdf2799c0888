#!/bin/bash
# cppcheck (2.10) finds nothing in any source; what it is told to overlook stands with its reason in cppcheck.suppress.
# usage: cppcheck.sh BUILD_DIR
set -euo pipefail
build=$1
memory=$build/cppcheck # what it found of a source that has not changed since
mkdir -p "$memory"
cppcheck --project="$build/compile_commands.json" --cppcheck-build-dir="$memory" -i"$build" -j "$(nproc)" --quiet \
        --std=c11 --enable=warning,performance,portability --inline-suppr \
        --suppressions-list="$(dirname "$0")/cppcheck.suppress" --error-exitcode=1
