#!/bin/bash
# store_same.sh REAL MODEL [FIRST LAST [STEPS]]: sink/store.c and its model answer alike, seed by seed.
set -euo pipefail
real=$1 model=$2 first=${3:-1} last=${4:-8} steps=${5:-200}
tmp=${TMPDIR:-/tmp}
[ ! -w /dev/shm ] || tmp=/dev/shm # what a disk does to a transaction is made up: no real sync is wanted
dir=$(mktemp -d "$tmp/sumu-test-same-XXXXXX")
trap 'rm -rf "$dir"' EXIT

"$model" "$first" "$last" "$steps" >"$dir/model"
TMPDIR=$dir "$real" "$first" "$last" "$steps" >"$dir/real"
if ! cmp -s "$dir/model" "$dir/real"; then
        line=$(cmp "$dir/model" "$dir/real" | sed 's/.*line //')
        echo "they part at line $line, $(head -n "$line" "$dir/model" | grep '^seed' | tail -1):"
        head -n "$line" "$dir/model" | tail -15
        echo "--- the real store:"
        sed -n "${line}p" "$dir/real"
        exit 1
fi
if [ $# -eq 2 ]; then # the usual seeds must have come far enough to mean something
        grep -q '^recall$' "$dir/model" || { echo "no recall went on where another had ended"; exit 1; }
        grep -q '^holds reports=[1-9][0-9][0-9][0-9]' "$dir/model" || { echo "next to nothing was stored"; exit 1; }
fi
echo "alike: $(grep -c '^seed' "$dir/model") seeds, $(wc -l <"$dir/model") lines"
