#!/bin/bash
# docs/guarantees.md promises nothing that no test holds: each row of a promise names tests, and each test it names is there.
# $1: the build folder, which knows them all.
set -euo pipefail
page=docs/guarantees.md
bad=0
there=$(ctest --test-dir "$1" -N | sed -nE 's/^ *Test +#[0-9]+: //p')
[ -n "$there" ] || { echo "ctest lists no tests"; exit 1; }
named=$(grep -oE '`(unit|laws|stories|flow|power|world|torture|hostile|museum|house|long|fuzz)/[a-z0-9_/]+`' "$page" | tr -d '`' | sort -u)
[ -n "$named" ] || { echo "$page names no tests: has its form changed?"; exit 1; }
while read -r test; do
        grep -qxF "$test" <<<"$there" || { echo "$page names the test $test, which is not there"; bad=1; }
done <<<"$named"
# Rows of the tables of promises end in what holds them.
while read -r row; do
        held=${row%|}
        held=${held##*|}
        grep -qE '`[a-z_/0-9]+`' <<<"$held" || { echo "a promise without a test: $row"; bad=1; }
done < <(sed '/^## The last long runs/,$d' "$page" | grep '^| ' | grep -vE '^\| (promise|what happened) ')
echo "$(wc -l <<<"$named") tests are named"
exit $bad
