#!/bin/bash
# clang-tidy (version 14, .clang-tidy) finds nothing in the programs' sources: those of a build's compile commands that
# are neither tests nor generated. Takes minutes, hence the label `lint`.
# usage: tidy.sh BUILD_DIR
set -euo pipefail
build=$1
sed -nE 's/^ *"file": "(.*)",?$/\1/p' "$build/compile_commands.json" | sort -u |
        grep -E "^$PWD/(common|collector|aggregator|sink|cli)/" |
        xargs -r -n 1 -P "$(nproc)" clang-tidy --quiet -p "$build"
