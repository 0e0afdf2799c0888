#!/bin/bash
# HQ and an office apart, by compose.hq.yaml and compose.office.yaml, along the commands of docker/README.md: HQ makes
# its keys, the office makes its own and HQ enrols them, the office gets HQ's catalogue, a file dropped in the inbox is a
# total at HQ. Then the office is revoked.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/docker/lib.sh
office=150200
export SUMU_OFFICE=$office SUMU_INBOX_DIR=$work/office/inbox

# Two sites: a project, a file and a keys folder each. HQ listens where a container can reach this machine.
docker network create sumutest$$ >/dev/null
SUMU_LISTEN_ON=$(docker network inspect -f '{{(index .IPAM.Config 0).Gateway}}' sumutest$$)
export SUMU_LISTEN_ON SUMU_AGGREGATOR=tcp://$SUMU_LISTEN_ON:7601
hq() { export file=compose.hq.yaml COMPOSE_PROJECT_NAME=sumuhq$$ SUMU_KEYS_DIR=$work/hq; }
at_office() { export file=compose.office.yaml COMPOSE_PROJECT_NAME=sumuoffice$$ SUMU_KEYS_DIR=$work/office/keys/office-$office; }

as_root() { docker run --rm --network none -u 0 -v "$work:/site" sumu:test-debug "$@"; }

finish() {
        local rc=$? site
        trap - EXIT
        for site in at_office hq; do
                $site
                [ $rc -eq 0 ] || dc logs --no-color --tail 20 2>/dev/null || true
                down
        done
        docker network rm sumutest$$ >/dev/null
        as_root sh -c 'rm -rf /site/*'
        rm -rf "$work"
        exit $rc
}

keys() { dc run --rm keys "$@" 2>"$work/keys.log" || { cat "$work/keys.log"; fail "sumu keys $*"; }; }
total_is() {
        [ "$(sumu_in sink totals --indicator scipop.activities --region $office --period 2023-09 --format json |
                jq '.totals[0].value')" = "$1" ]
}
drop() { # bytes, name: as a clerk does, whoever owns the file
        printf '%s\n' "$1" >"$work/dropped"
        as_root sh -c "install -m 644 /site/dropped /site/office/inbox/$2.part && mv /site/office/inbox/$2.part /site/office/inbox/$2"
}
hq_is_away() { sumu_in collector health http://127.0.0.1:7610 | jq -e '.reasons[] | select(.name == "hq")'; }
waiting() { sumu_in collector reports --state pending --format json | jq '.reports | length'; }
one_waits() { [ "$(waiting)" = 1 ]; }

build
as_root sh -c 'install -d -o 10001 -g 10001 -m 700 /site/hq && install -d -o 10001 -g 10001 /site/office/keys /site/office/inbox'
say "HQ makes its keys, and revokes those it made for an office that will make its own"
hq
keys init --catalog /etc/sumu/catalog --out /keys/set
keys revoke --office $office --keys /keys/set
all_up
say "the office makes its keys; HQ enrols the public half"
docker run --rm --network none -v "$work/office/keys:/keys" sumu:test sumu keys new --office $office --out /keys
as_root install -o 10001 -g 10001 -m 644 /site/hq/set/aggregator/aggregator.pub "/site/office/keys/office-$office/"
as_root install -o 10001 -g 10001 -m 644 "/site/office/keys/office-$office/$office.pub" /site/hq/
keys enrol --office $office --keys /keys/set /keys/$office.pub
keys list --keys /keys/set --format csv | grep -q $office || fail "HQ does not know the office's key"
dc restart aggregator sink >/dev/null 2>&1
say "the office starts, without a catalogue; a file is dropped in its inbox"
at_office
dc up -d >"$work/up.log" 2>&1 || { cat "$work/up.log"; fail "up"; }
wait_for "the collector is healthy" 120 is_healthy collector
drop $'region,activities\n150200,28' scipop_2023-09.csv
hq
wait_for "the total" 60 total_is 28
say "the office is revoked: it is not heard, and keeps what it is given"
keys revoke --office $office --keys /keys/set
dc restart aggregator sink >/dev/null 2>&1
wait_for "the sink is healthy" 60 is_healthy sink
at_office
wait_for "HQ does not answer" 120 hq_is_away
drop $'region,activities\n150200,29' scipop_2023-09.csv
wait_for "the report is taken" 60 one_waits
hq
total_is 28 || fail "a revoked office changed a total"
