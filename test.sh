#!/bin/bash
# ./test.sh            every test but the long ones
# ./test.sh LABEL…     those labels: unit laws stories flow house lint fuzz bench docker …  (`./test.sh --list` names them)
#
# Sets a bare Debian 12 up, builds with ASan and UBSan, runs ctest. Labels in LONG run only when they are named.
set -euo pipefail
cd "$(dirname "$0")"
LONG='docker|bench|lint|long|valgrind|deepfuzz|allmuseum'
tools/setup.sh tests
jobs=$(nproc)
cmake --preset debug >/dev/null
cmake --build --preset debug -j "$jobs"
run() { ctest --test-dir build/debug --output-on-failure -j "$jobs" "$@"; }
case "${1:-}" in
'') run -LE "^($LONG)\$" ;;
--list) ctest --test-dir build/debug --print-labels ;;
*) run -L "^($(IFS='|'; echo "$*"))\$" ;;
esac
