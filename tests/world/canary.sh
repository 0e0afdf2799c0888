#!/bin/bash
# The canary: with one lie in a thousand seeds the world has to cry out, name the seed, and end with 1.
set -euo pipefail
world=$1
said=$("$world" --canary --seeds 30 --from 99990 2>&1) && { echo "the canary was not heard"; exit 1; }
grep -q "^seed 100000 at .*: the store holds a report that nobody wrote" <<<"$said" ||
        { echo "the canary was heard, but not understood:"; echo "$said"; exit 1; }
grep -q "^options:.* safety_ms=" <<<"$said" || { echo "no options were said: $said"; exit 1; }
grep -q "once more: sumu_world --seeds 1 --from 100000 --tell" <<<"$said" || { echo "how to run it again was not said: $said"; exit 1; }
"$world" --seeds 1 --from 100000 >/dev/null || { echo "seed 100000 fails without the canary, too"; exit 1; }
echo "the canary was heard: $(grep '^FAILED' <<<"$said")"
