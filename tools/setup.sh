#!/bin/sh
# setup.sh [tests]: installs the Debian packages that are missing (tools/packages.txt), as root or with sudo.
set -eu
cd "$(dirname "$0")"
want=$(awk -v tests="${1:-}" '/^#/ || !NF {next} /^tests:/ {if (tests != "tests") exit; next} {print}' packages.txt)
missing=""
for p in $want; do
        dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $p"
done
[ -n "$missing" ] || exit 0
sudo=""
if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || { echo "setup: these packages are missing, and there is neither root nor sudo:$missing" >&2; exit 1; }
        sudo=sudo
fi
echo "setup: installing$missing" >&2
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -qq
# shellcheck disable=SC2086
$sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null
