#!/bin/bash
# The pages in docs/ are complete and lead somewhere: every configuration key, health reason, metric, reason code, route and
# command stands on the page that is responsible for it; every file a page names or links to exists. Lists are read from
# where the program has them.
set -euo pipefail
bad=0
wrong() { echo "$1"; bad=1; }

# names(PATTERN, FILE…): what the first group of an extended regular expression captures.
names() { local pattern=$1; shift; sed -nE "s/.*$pattern.*/\1/p" "$@" | sort -u; }

# mentioned(WHAT, PAGE): each line of stdin stands on the page, in backquotes or as the beginning of what stands there.
mentioned() {
        local what=$1 page=$2 name n=0
        while read -r name; do
                n=$((n + 1))
                grep -qF -e "\`$name\`" -e "\`$name " -e "\`$name?" -e " $name\`" "$page" || wrong "$page lacks the $what $name"
        done
        [ "$n" -gt 0 ] || wrong "no $what was found to look for: has its list moved?"
}

for daemon in collector aggregator sink; do
        names '^KEY\("([^"]+)"' $daemon/keys.def | mentioned "key of the $daemon," docs/operator.md
        names '^METRIC\([A-Z_]+, "([^"{]+)' $daemon/metrics.def | mentioned "metric of the $daemon," docs/operator.md
        cat $daemon/*.c | tr '\n' ' ' | grep -oE 'health_raise\([^,]+, [A-Z_]+, +"[^"]+"' | names '"([^"]+)"$' |
                mentioned "health reason of the $daemon," docs/operator.md
done
for page in docs/clerk.md docs/clerk.zh.md; do
        names '^REASON\([A-Z_]+, ([a-z_]+),' common/core/reasons.def | mentioned 'reason code' $page
done
names 'API_ERROR\([A-Z_]+, [0-9]+, "([a-z_]+)"' collector/api_errors.def sink/api_errors.def | mentioned 'error code' docs/api.md
names 'HTTP_ERROR\([A-Z_]+, [0-9]+, "([a-z_]+)"' common/loop/http_errors.def | mentioned 'error code' docs/api.md
cat collector/*.c aggregator/*.c sink/*.c | grep -oE '"(GET|POST)", "/[^"]+"' | tr -d '",' | sort -u | while read -r method path; do
        grep -qE "$method ${path//\*/\\*}([ \`?]|\$)" docs/api.md || echo "docs/api.md lacks the route $method $path"
done | grep . && bad=1
names '^COMMAND\("([^"]+)"' cli/commands.def | sed 's/^/sumu /' | mentioned command docs/operator.md

# Whatever looks like a path of this repository, in a link or in backquotes, is there.
pages=(README.md README.zh.md CONTRIBUTING.md CHANGELOG.md docs/*.md docs/decisions/*.md)
[ ! -f docker/README.md ] || pages+=(docker/README.md)
for page in "${pages[@]}"; do
        while read -r target; do
                path=${target%%#*}
                [ -n "$path" ] || continue
                [ -e "$(dirname "$page")/$path" ] || wrong "$page links to $target, which is not there"
        done < <(grep -oE '\]\([^)]+\)' "$page" | sed -E 's/^\]\((.*)\)$/\1/' | grep -vE '^(https?|mailto):' || true)
        while read -r path; do
                [[ /$path/ =~ /[A-Z]+/ ]] && continue # catalog/NAME stands for any
                compgen -G "$path" >/dev/null || wrong "$page names $path, which is not there"
        done < <(grep -oE '`(tests|common|collector|aggregator|sink|cli|web|docker|proto|tools|catalog|docs)/[A-Za-z0-9_./*-]+`' "$page" | tr -d '\140' || true)
done

# So is every test that a story names.
while IFS=: read -r page path; do
        [ -e "$path" ] || wrong "$page names $path, which is not there"
done < <(grep -oE 'tests/[a-z]+/test_[a-z_]+\.c' tests/stories/*.md)

# A test named as a promise's witness is there: `tests/…/test_x.c`, `name` [, `name`…].
while IFS=: read -r page _ line; do
        file=$(grep -oE 'tests/[a-z]+/test_[a-z_]+\.c' <<<"$line" | head -n 1)
        for name in $(sed -E 's/^`[^`]+`//' <<<"$line" | grep -oE '[a-z_]+'); do
                grep -qE "\b$name\b" "$file" || wrong "$page: $file has no test $name"
        done
done < <(grep -noE '`tests/[a-z]+/test_[a-z_]+\.c`(, `[a-z_]+`)+' "${pages[@]}")
exit $bad
