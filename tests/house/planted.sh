#!/bin/bash
# Planted mistakes (base/planted.h) are in the museum's build only: no symbol, no name of one and no switch in what this build
# made. And each that is listed stands somewhere in the program, each that stands there is listed.
# usage: planted.sh BUILD_DIR
set -euo pipefail
build=$1
listed=$(sed -nE 's/^PLANT\(([A-Z_]+),.*/\1/p' common/base/planted.def | sort)
standing=$(grep -rhoE '\bPLANTED\([A-Z_]+\)' --include='*.[ch]' common collector aggregator sink cli tests/museum |
        grep -v 'PLANTED(NAME)' | sed -E 's/PLANTED\((.*)\)/\1/' | sort -u)
bad=0
diff <(echo "$listed") <(echo "$standing") || { echo "base/planted.def (<) and the program (>) differ"; bad=1; }
mapfile -t made < <(find "$build" -name 'libsumu_*.a' -o -name 'sumu*' -type f -perm -u+x | grep -vE '/(CMakeFiles|Testing)/')
[ "${#made[@]}" -ge 8 ] || { echo "nothing was built to look into"; bad=1; }
for file in "${made[@]}"; do
        if nm "$file" 2>/dev/null | grep -iw 'planted[a-z_]*' || strings -a "$file" | grep -E "SUMU_PLANTED|PLANTED_|^($(echo "$listed" | paste -sd'|'))\$"; then
                echo "$file holds a planted mistake"
                bad=1
        fi
done
exit $bad
