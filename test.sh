#!/bin/bash
# ./test.sh            every test but the long ones
# ./test.sh LABEL…     those labels: unit laws stories flow house lint fuzz bench docker …  (`./test.sh --list` names them)
#
# Sets a bare Debian 12 up, builds with ASan and UBSan, runs ctest. Labels in LONG run only when they are named. The
# labels fuzz and deepfuzz are run again in a build with clang and libFuzzer, which says how much each target was given;
# bench in a release build alone, and prints its lines.
set -euo pipefail
cd "$(dirname "$0")"
LONG='docker|bench|lint|long|valgrind|deepfuzz|allmuseum'
tools/setup.sh tests
jobs=$(nproc)
cmake --preset debug >/dev/null
cmake --build --preset debug -j "$jobs"
run() { ctest --test-dir build/debug --output-on-failure -j "$jobs" "$@"; }
fuzz() {
  cmake --preset fuzz >/dev/null
  cmake --build --preset fuzz -j "$jobs" --target sumu_fuzz
  local status=0
  ctest --test-dir build/fuzz --output-on-failure -j "$jobs" -L "^($1)\$" || status=$?
  grep '^fuzzed ' build/fuzz/Testing/Temporary/LastTest.log
  return $status
}
bench() {
  cmake --preset release >/dev/null
  cmake --build --preset release -j "$jobs"
  ctest --test-dir build/release --verbose -L '^bench$'
}
case "${1:-}" in
'')
  run -LE "^($LONG)\$"
  fuzz fuzz
  ;;
--list) ctest --test-dir build/debug --print-labels ;;
*)
  others=()
  for label in "$@"; do
    if [ "$label" != bench ]; then others+=("$label"); fi
  done
  if [ ${#others[@]} -gt 0 ]; then run -L "^($(IFS='|'; echo "${others[*]}"))\$"; fi
  for label in "$@"; do
    if [ "$label" = bench ]; then bench; fi
    if [[ $label =~ ^(deep)?fuzz$ ]]; then fuzz "$label"; fi
  done
  ;;
esac
