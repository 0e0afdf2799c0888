#!/bin/bash
# The compose files on a real engine, as an operator and a clerk use them: every example report goes in, every published
# figure comes out; a process is killed with a correction under way, comes back, and the totals are exact; what the
# containers may do is what docker/README.md says. Builds images (they stay, as a build folder does), removes the rest.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/docker/lib.sh
file=compose.yaml
export COMPOSE_PROJECT_NAME=sumutest$$
inside=/usr/share/sumu/$example

finish() {
        local rc=$?
        trap - EXIT
        [ $rc -eq 0 ] || dc logs --no-color --tail 20 2>/dev/null || true
        down
        rm -rf "$work"
        exit $rc
}

memory() {
        dc ps -q | xargs docker stats --no-stream --format '{{.Name}} {{.MemUsage}}' |
                sed "s/${COMPOSE_PROJECT_NAME}[-_]//" | sort | column -t
}

token() { docker cp "$(container "$1"):/etc/sumu/keys/http.token" - | tar -xO; }
address() { dc port "$1" "$2"; }
ask() { # service, port, path, curl's options…: over the published port, with the token
        curl -fsS -H "Authorization: Bearer $(token "$1")" "${@:4}" "http://$(address "$1" "$2")$3"
}

# The three files are valid, and what confines a container is the same in all.
check_files() {
        export SUMU_OFFICE=150200 SUMU_AGGREGATOR=tcp://hq.example:7601
        local file common
        common=$(sed -n '/^x-service:/,/^$/p' docker/compose.yaml)
        for file in compose.yaml compose.hq.yaml compose.office.yaml; do
                dc config -q || fail "$file is not valid"
                [ "$(sed -n '/^x-service:/,/^$/p' "docker/$file")" = "$common" ] || fail "$file: x-service differs"
        done
        unset SUMU_OFFICE SUMU_AGGREGATOR
}

check_confinement() { # service: seen from the host's side, not as configured
        local id pid mounts
        id=$(container "$1")
        for pid in $(docker top "$id" -eo pid | tail -n +2); do
                awk -v service="$1" '
                        $1 == "Uid:" && ($2 != 10001 || $3 != 10001) || /^Cap(Inh|Prm|Eff|Bnd|Amb)/ && $2 !~ /^0+$/ ||
                        $1 == "NoNewPrivs:" && $2 != 1 {print service ": " $0; bad = 1}
                        END {exit bad}' "/proc/$pid/status" || fail "a process may do more than it should"
                awk '$5 == "/" {split($6, o, ","); exit o[1] != "ro"}' "/proc/$pid/mountinfo" || fail "$1: root is writable"
        done
        mounts=$(docker inspect -f '{{range .Mounts}}{{.Destination}} {{.RW}} {{.Name}}{{"\n"}}{{end}}' "$id" | grep keys)
        [ "$(wc -l <<<"$mounts")" -eq 1 ] || fail "$1 sees keys of others: $mounts"
        [[ $mounts == "/etc/sumu/keys false ${COMPOSE_PROJECT_NAME}_keys-${1#collector-}" ]] || fail "$1: keys are mounted as $mounts"
}

check_folder() { # service, file that must be there, file that must not
        local list
        list=$(docker cp "$(container "$1"):/etc/sumu/keys" - | tar -t)
        grep -q "/$2\$" <<<"$list" || fail "$1 has no $2"
        ! grep -q "/$3\$" <<<"$list" || fail "$1 has $3"
}

check_door() { # without the token there is no answer, with it there is
        local status url
        url="http://$(address sink 7600)/api/v1/catalog"
        status=$(curl -s -o "$work/door" -w '%{http_code}' "$url")
        [ "$status" = 401 ] || fail "the sink answers a stranger with $status"
        ask sink 7600 /api/v1/catalog >"$work/door"
        ask sink 7600 / >"$work/page"
        grep -qi '<html' "$work/page" || fail "the sink has no page"
}

# One office by the inbox, the others by their own `sumu submit`.
submit_examples() {
        local office report files
        for report in "$example"/150300/*; do
                docker cp "$report" "$(container collector-150300):/var/lib/sumu/inbox/"
        done
        for office in $(cd "$example" && ls -d 1*/ | tr -d / | grep -v 150300); do
                files=("$example/$office"/*)
                sumu_in "collector-$office" submit --yes --wait --timeout 300 "${files[@]/#$example/$inside}" \
                        >"$work/$office.log" 2>&1 || { cat "$work/$office.log"; fail "office $office"; }
        done
        wait_for "the inbox of 150300" 120 taken collector-150300 "$(find "$example/150300" -type f | wc -l)"
        wait_for "the verdicts for 150300" 120 nothing_pending collector-150300
}
taken() { # collector, files
        [ "$(docker cp "$(container "$1"):/var/lib/sumu/inbox/done" - | tar -t | grep -c '\.csv$')" -eq "$2" ]
}
nothing_pending() { ask "$1" 7610 '/api/v1/reports?state=pending' | jq -e '.reports == []'; }

published() {
        printf '#!/bin/sh\nexec docker exec %s sumu "$@"\n' "$(container sink)" >"$work/sumu"
        chmod +x "$work/sumu"
        PATH=$work:$PATH tools/published.sh http://127.0.0.1:7600 "$example/published.csv" >"$work/published.log" ||
                { grep -v ' = ' "$work/published.log"; fail "the figures are not the published ones"; }
        tail -n 1 "$work/published.log"
}

# A correction in Baotou: firearms seized on 2023-06-30 in 白云鄂博矿区, where the example says 4.
firearms() {
        sumu_in sink totals --indicator gunexp.firearms_seized --period 2023-06-30 --format json | jq '.totals[0].value'
}
correct() { # value
        printf 'dataset,period,region,indicator,value,action\ngunexp,2023-06-30,150206,firearms_seized,%s,merge\n' "$1" |
                ask collector-150200 7610 /api/v1/reports -H 'Content-Type: text/csv' --data-binary @- >"$work/receipt"
}
kill_with_correction() { # service, value, total
        say "$1 is killed, a correction comes"
        if [ "$1" = collector-150200 ]; then correct "$2"; fi # taken, and perhaps not yet sent
        dc kill "$1" >/dev/null 2>&1
        if [ "$1" != collector-150200 ]; then correct "$2"; fi
        all_up
        wait_for "the verdict" 120 nothing_pending collector-150200
        [ "$(firearms)" = "$3" ] || fail "after $1 came back the total is $(firearms), not $3"
}

say "compose files"
check_files
say "images"
build
docker image ls --format '{{.Repository}}:{{.Tag}} {{.Size}}' sumu | grep ':test'
say "up"
all_up
for service in $(services); do
        check_confinement "$service"
done
check_folder aggregator curve.key sign.key
check_folder sink curve.key sign.key
check_folder collector-150200 sign.key offices/150200.pub
check_door
for service in aggregator sink collector-150200; do
        sumu_in "$service" status >"$work/status" || { cat "$work/status"; fail "sumu status in $service"; }
done
say "memory at rest"
memory
say "every example report"
submit_examples
published
before=$(firearms)
kill_with_correction aggregator 11 $((before + 7))
kill_with_correction sink 24 $((before + 20))
kill_with_correction collector-150200 4 "$before"
published
sumu_in sink verify
say "memory after that"
memory
say "stop"
SECONDS=0
dc stop >/dev/null 2>&1
echo "$SECONDS s"
