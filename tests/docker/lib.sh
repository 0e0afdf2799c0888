# shellcheck shell=bash disable=SC2034
# What the scenarios share: source it, set `file` to the compose file at hand.
docker info >/dev/null 2>&1 || { echo "no Docker engine answers: skipped"; exit 77; }
if docker compose version >/dev/null 2>&1; then compose=(docker compose); else compose=(docker-compose); fi

# An address of its own on loopback, so that a quickstart may run beside it.
export SUMU_TAG=test SUMU_PUBLISH=127.0.76.1
example=catalog/neimenggu/example
work=$(mktemp -d)
trap 'finish' EXIT
trap 'exit 130' INT TERM

say() { printf '== %s\n' "$*"; }
fail() { echo "FAILED: $*" >&2; exit 1; }

dc() { "${compose[@]}" -f "docker/$file" "$@"; }
container() { dc ps -q "$1"; }
services() { dc config --services | grep -v '^keys$'; }
sumu_in() { docker exec "$(container "$1")" sumu "${@:2}"; }

build() {
        (file=compose.yaml && dc build) >"$work/build.log" 2>&1 || { tail -n 40 "$work/build.log"; fail "build"; }
}

wait_for() { # what, seconds, command…
        local end=$((SECONDS + $2))
        until "${@:3}" >/dev/null 2>&1; do
                [ $SECONDS -lt $end ] || fail "$1: not within $2 s"
                sleep 0.3
        done
}
is_healthy() { [ "$(docker inspect -f '{{.State.Health.Status}}' "$(container "$1")")" = healthy ]; }
all_up() {
        local service
        dc up -d >"$work/up.log" 2>&1 || { cat "$work/up.log"; fail "up"; }
        for service in $(services); do
                wait_for "$service healthy" 120 is_healthy "$service"
        done
}
down() { # what stays are images: the next run builds upon them
        dc down -v --remove-orphans -t 5 >"$work/down.log" 2>&1 || cat "$work/down.log"
}
