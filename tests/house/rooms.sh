#!/bin/bash
# A room includes headers of itself and of the rooms below it, nothing else (docs/architecture.md). Also: one source knows
# ZMQ_FD, one the generated protobuf header, one opens SQLite, one talks to each library that has a keeper.
set -euo pipefail
declare -A sees=(
        [common/base]='base'
        [common/core]='base core'
        [common/session]='base core session'
        [common/loop]='base core session loop'
        [common/store]='base store'
        [collector]='base core session loop store collector'
        [aggregator]='base core session loop aggregator'
        [sink]='base core session loop store sink'
        [cli]='base core session loop cli'
)
rooms='base|core|session|loop|store|collector|aggregator|sink|cli'
bad=0
for dir in "${!sees[@]}"; do
        while IFS=: read -r file line header; do
                [ -n "$file" ] || continue
                room=${header%%/*}
                case " ${sees[$dir]} " in
                *" $room "*) ;;
                *) echo "$file:$line: $dir may not see $header"; bad=1 ;;
                esac
        done < <(grep -nrE --include='*.[ch]' "^#include \"($rooms)/" "$dir" | sed -E 's/^([^:]+):([0-9]+):#include "([^"]+)".*/\1:\2:\3/')
done
keeper() { # pattern, the files that may hold it
        local others
        others=$(grep -rlE --include='*.[ch]' "$1" common collector aggregator sink cli | grep -vE "^($2)\$" || true)
        [ -z "$others" ] || { echo "only $2 may know $1, but so does: $others"; bad=1; }
}
keeper '\bZMQ_FD\b[^.:]*[,;)]' 'common/loop/zpoll\.[ch]'
keeper '#include [<"](sumu\.pb-c\.h|protobuf-c/)' 'common/session/wire(_walk)?\.[ch]'
keeper 'sqlite3_open' 'common/store/db\.[ch]'
keeper '#include <microhttpd\.h>' 'common/loop/(http|body)\.[ch]'
keeper '#include <csv\.h>' 'common/core/csv\.[ch]'
keeper '#include <curl/' 'cli/[a-z_]+\.[ch]'
exit $bad
