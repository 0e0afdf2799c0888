#!/bin/bash
# Who may say what: a key HQ does not know, an office that reports another's figures, another office's name, a key that was
# revoked, a key that was changed. What HQ did not take changes no total.
. "$(dirname "$0")/lib.sh"
region "$source_tree/catalog/neimenggu"
for name in aggregator sink; do start $name; done
await healthy aggregator

put() { # office, region, figure: of firearms seized, on a day
        curl -sSf -o "$dir/receipt" -H 'Content-Type: text/csv' --data-binary $'region,indicator,value\n'"$2,firearms_seized,$3" \
                "$(url "$1")/api/v1/reports?dataset=gunexp&period=2023-09-19&action=merge" || fail "$1 does not take a report"
}
newest() { ask "$1" '/api/v1/reports?limit=1' | jq -r '.reports[0] | .state + " " + ([.reasons[]? | .code] | join(","))'; }
strangers() { [ "$(metric aggregator sumu_strangers_total)" -ge "$1" ]; }
region_total() { total gunexp.firearms_seized 150000 2023; }
newest_is() { [ "$(newest "$1")" = "$2" ]; }

chapter "a key that HQ does not know"
mkdir "$dir/elsewhere"
sumu keys init --catalog "$catalog" --out "$dir/elsewhere/keys" >/dev/null
cp "$dir/keys/office-150200/aggregator.pub" "$dir/elsewhere/keys/office-150200/aggregator.pub"
office 150200 "keys: $dir/elsewhere/keys/office-150200"
start 150200
put 150200 150203 1
await strangers 1
is "$(newest 150200)" "queued "
await complains 150200 hq
stop 150200
office 150200
start 150200
await newest_is 150200 "accepted "
is "$(region_total)" "1 exact 1"

chapter "another office's regions"
# Its own catalogue says that Chifeng's banners are Baotou's; HQ's does not.
cp -r "$catalog" "$dir/doctored"
sed -i '/^150402,/s/,150400,/,150200,/; /^150403,/s/,150400,/,150200,/' "$dir/doctored/regions.csv"
office 150400
start 150400
put 150400 150402 10
await newest_is 150400 "accepted "
stop 150200
# An outbox that never spoke to HQ: else it would have HQ's catalogue by now.
rm -r "$dir/state/150200"
office 150200 "catalog: $dir/doctored"
stop aggregator
start 150200
put 150200 150402 7777
put 150200 150204 2
curl -sSf -o "$dir/receipt" -H 'Content-Type: text/csv' --data-binary $'region,indicator,value\n150205,knives_seized,5\n150403,knives_seized,6' \
        "$(url 150200)/api/v1/reports?dataset=gunexp&period=2023-09-19&action=merge"
is "$(states 150200)" "3 queued"
start aggregator
await drained 150200
is "$(states 150200)" "1 accepted, 2 rejected"
is "$(newest 150200)" "rejected foreign_region"
is "$(region_total)" "13 exact 3"
# A report is taken whole or not at all.
is "$(total gunexp.knives_seized 150000 2023)" "  0"
is "$(sumu reports --state rejected --format json | jq -r '[.. | objects | select(.office? and .verdict?) | .office + " " + .verdict] | unique | join(", ")')" "150200 rejected"
# By now it has HQ's catalogue, and refuses at once.
if told=$(curl -sS -H 'Content-Type: text/csv' --data-binary $'region,indicator,value\n150402,firearms_seized,1' \
        "$(url 150200)/api/v1/reports?dataset=gunexp&period=2023-09-19"); then says "$told" foreign_region; fi
stop 150200

chapter "another office's name"
# Who it is comes from the key: with Chifeng's key nobody is Baotou.
mv "$dir/state/150200" "$dir/honest"
office 150200 "keys: $dir/keys/office-150400"
start 150200
put 150200 150203 5555
await complains 150200 "names an office that this key does not belong to"
await complains aggregator '"office 150400 is refused: office"'
is "$(newest 150200)" "queued "
is "$(region_total)" "13 exact 3"
stop 150200
# What goes on is told once, and until a connection of the office is welcome.
is "$(grep -c 'degraded reason=refused-150400' "$dir/log/aggregator.log")" 1
stop 150400
start 150400
await eval '! complains aggregator refused'
rm -r "$dir/state/150200"
mv "$dir/honest" "$dir/state/150200"
office 150200

chapter "a key that was revoked"
start 150200
put 150200 150203 100
await drained 150200
is "$(region_total)" "112 exact 3"
sumu keys revoke --office 150200 --keys "$dir/keys" >/dev/null
kill -HUP "${pid_of[aggregator]}" "${pid_of[sink]}"
put 150200 150203 200
put 150400 150402 20
await newest_is 150400 "accepted "
is "$(newest 150200)" "sent "
is "$(region_total)" "122 exact 3"
await complains 150200 hq

chapter "and a new one"
stop 150200
mv "$dir/keys/office-150200" "$dir/keys/revoked-150200"
sumu keys new --office 150200 --out "$dir/keys" >/dev/null
kill -HUP "${pid_of[aggregator]}" "${pid_of[sink]}"
start 150200
await drained 150200
is "$(region_total)" "222 exact 3"
is "$(states 150200)" "$(ask 150200 /api/v1/reports?limit=1000 | jq '[.reports[] | select(.state != "rejected")] | length') accepted, 2 rejected"
verified
stop_all
