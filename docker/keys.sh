#!/bin/bash
# keys.sh: makes the keys once and gives each process its own folder; ends before the others start.
#
# /keys/all is what only this service sees: the complete set. Each volume mounted below /keys/give is the keys folder of
# one process, which sees nothing else. Safe to repeat: what is there is never made anew and only what differs is copied,
# so a new office gets its keys and a revoked one goes. Aggregator and sink learn of it by SIGHUP.
set -euo pipefail
set=/keys/all/set

give() { # folder, volume
        local file
        (cd "$1" && find . -mindepth 1 -type d -printf '%P\n') | while read -r file; do
                install -d -m 700 "$2/$file"
        done
        (cd "$1" && find . -type f -printf '%P\n') | while read -r file; do
                cmp -s "$1/$file" "$2/$file" && continue
                cp -p "$1/$file" "$2/$file.part"
                mv "$2/$file.part" "$2/$file"
                echo "keys: $(basename "$2") has $file"
        done
        (cd "$2" && find . -type f -printf '%P\n') | while read -r file; do
                [ -e "$1/$file" ] || rm "$2/$file"
        done
}

[ -d "$set" ] || sumu keys init --catalog "$SUMU_CATALOG" --out "$set" >/dev/null

# Offices first: a new one changes what aggregator and sink have to know.
for volume in /keys/give/office-* /keys/give/aggregator /keys/give/sink; do
        mountpoint -q "$volume" || continue
        process=$(basename "$volume")
        [ -d "$set/$process" ] || sumu keys new --office "${process#office-}" --out "$set" >/dev/null
        give "$set/$process" "$volume"
done
