#!/bin/bash
# outbox_same.sh REAL MODEL [FIRST LAST [STEPS]]: collector/outbox.c and its model answer alike, seed by seed.
set -euo pipefail
real=$1 model=$2 first=${3:-1} last=${4:-15} steps=${5:-300}
dir=$(mktemp -d "${TMPDIR:-/tmp}/sumu-same-XXXXXX")
trap 'rm -rf "$dir"' EXIT

"$model" "$first" "$last" "$steps" >"$dir/model"
"$real" "$first" "$last" "$steps" >"$dir/real"
if ! cmp -s "$dir/model" "$dir/real"; then
	line=$(cmp "$dir/model" "$dir/real" | sed 's/.*line //' || true)
	echo "they part at line $line, $(head -n "$line" "$dir/model" | grep '^seed' | tail -1 || true):"
	head -n "$line" "$dir/model" | tail -15
	echo "--- the real outbox:"
	sed -n "${line}p" "$dir/real"
	exit 1
fi
echo "alike: $(grep -c '^seed' "$dir/model") seeds, $(wc -l <"$dir/model") lines"
