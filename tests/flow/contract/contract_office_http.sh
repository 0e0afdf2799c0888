#!/bin/bash
# The collector's HTTP as a script sees it: receipts, dry runs, keys of idempotence, the list of reports, errors and their
# statuses, languages, tokens, sizes. HQ is not there: everything stays queued.
. "$(dirname "$0")/lib.sh"
start_office 0 alpha

report='{"dataset":"daily","period":"2023-05-01","rows":[{"region":"A1","indicator":"guns","value":"12"},{"region":"A2","indicator":"guns","value":3}]}'
receipt='[.dataset,.period,.action,.revision,.rows,.withdrawn]'

# ---- receipts
post_json "$report" '?dry_run=1'
is_taken "a dry run"
is "its receipt" '["daily","2023-05-01","replace",1,2,0]' "$(field ".receipts[0]|$receipt")"
http "$url/api/v1/reports"
is "it takes nothing" '{"reports":[]}' "$body"
post_json "$report"
is_taken "a report"
is "its receipt" '["daily","2023-05-01","replace",1,2,0]' "$(field ".receipts[0]|$receipt")"
is "its number" 1 "$(field '.receipts[0].seq')"
holds "its stream" "$(field '.receipts[0].stream')" '^[0-9a-f]{16}$'
is "the type of the answer" 'application/json; charset=utf-8' "$(header content-type)"
post_csv $'region,guns\nA1,5\n' '?dataset=daily&period=2023-05-01'
is "a replacement takes a figure back" '["daily","2023-05-01","replace",2,1,1]' "$(field ".receipts[0]|$receipt")"
post_csv $'region,guns\nA2,5\n' '?dataset=daily&period=2023-05-01&action=merge'
is "a merge takes nothing back" '["daily","2023-05-01","merge",3,1,0]' "$(field ".receipts[0]|$receipt")"
post_json '{"dataset":"daily","period":"2023-05-01","action":"withdraw"}'
is "a withdrawal takes all back" '["daily","2023-05-01","withdraw",4,0,2]' "$(field ".receipts[0]|$receipt")"
post_json '{"dataset":"daily","period":"2023-05-01","action":"withdraw","rows":[]}'
is "once" '["daily","2023-05-01","withdraw",5,0,0]' "$(field ".receipts[0]|$receipt")"
post_json "[$report,{\"dataset\":\"monthly\",\"period\":\"2023-05\",\"rows\":[{\"region\":\"A1\",\"indicator\":\"staff\",\"value\":7}]}]"
is "two reports in one request" '["daily","monthly"]' "$(field '[.receipts[].dataset]')"
post_json '' '?nil=1&dataset=daily&period=2023-06-01'
is "a report of zeros for every flow" '["daily","2023-06-01","replace",1,4,0]' "$(field ".receipts[0]|$receipt")"
post_json '' '?nil=1'
is_refused "a report of zeros of nothing" - dataset missing_column

# ---- Idempotency-Key
post_json "$report" '' -H 'Idempotency-Key: k-1'
is_taken "a first use of a key"
first=$body
post_json "$report" '' -H 'Idempotency-Key: k-1'
is "the same body again: the first answer" "202 $first" "$status $body"
post_json "${report/12/13}" '' -H 'Idempotency-Key: k-1'
is_refused "another body" - - key_reused only
post_csv $'region,guns\nA1,5\n' '?dataset=daily&period=2023-05-03' -H 'Idempotency-Key: k-2'
post_csv $'region,guns\nA1,5\n' '?dataset=daily&period=2023-05-04' -H 'Idempotency-Key: k-2'
is_refused "the same body for another period" - - key_reused only
post_json '{"dataset":"daily"' '' -H 'Idempotency-Key: k-3'
is "what is malformed" 400 "$status"
post_json "$report" '' -H 'Idempotency-Key: k-3'
is_taken "a key whose first use was refused"
post_json "$report" '' -H "Idempotency-Key: $(printf 'k%.0s' {1..300})"
is "a key that is too long" '400 malformed' "$status $(field .error.code)"
stop office-0
is "SIGTERM" 0 "$rc"
start office-0 "$COLLECTOR" --config "$run/office-0.yaml"
until_up office-0 "$url"
post_json "$report" '' -H 'Idempotency-Key: k-1'
is "the key after a restart" "202 $first" "$status $body"

# ---- the list
http "$url/api/v1/reports"
is "newest first" true "$(field '[.reports[].seq] | . == (sort | reverse)')"
is "what a report tells" '["action","dataset","period","reasons","revision","seq","state","stream","submitted_at"]' \
        "$(field '.reports[0] | [keys[] | select(IN("stream","seq","dataset","period","revision","action","state","reasons","submitted_at"))]')"
holds "times" "$(field '.reports[0].submitted_at')" '^20[0-9-]{8}T[0-9:]{8}\.[0-9]{3}Z$'
is "without HQ all are queued" '["queued"]' "$(field '[.reports[].state] | unique')"
all=$(field '.reports | length')
http "$url/api/v1/reports?state=pending&dataset=monthly"
is "by state and dataset" '[["monthly","2023-05"]]' "$(field '[.reports[]|[.dataset,.period]]')"
http "$url/api/v1/reports?period=2023-06-01"
is "by period" '["2023-06-01"]' "$(field '[.reports[].period] | unique')"
http "$url/api/v1/reports?state=rejected"
is "none rejected" '{"reports":[]}' "$body"
seen=0 before=
while :; do
        http "$url/api/v1/reports?limit=4${before:+&before=$before}"
        seen=$((seen + $(field '.reports | length')))
        [ "$(field '.reports | length')" = 4 ] || break
        before=$(field '.reports[-1].seq')
done
is "page by page each once" "$all" "$seen"
for q in limit=0 limit=x limit=-1 before=x state=lost period=2023-13 period=x; do
        http "$url/api/v1/reports?$q"
        is "$q" '400 malformed' "$status $(field .error.code)"
done
http "$url/api/v1/reports?dataset=nope"
is "a dataset that is not" '404 unknown_dataset' "$status $(field .error.code)"

# ---- errors
for m in PUT DELETE PATCH; do
        http -X $m "$url/api/v1/reports"
        is "$m" '405 method_not_allowed' "$status $(field .error.code)"
        holds "$m: what may be" "$(header allow)" 'POST'
done
http "$url/api/v1/nothing"
is "no such address" '404 not_found' "$status $(field .error.code)"
for t in text/plain application/xml multipart/form-data; do
        http -X POST -H "Content-Type: $t" -d x "$url/api/v1/reports"
        is "$t" '415 unsupported_media_type' "$status $(field .error.code)"
done
http -X POST -H 'Content-Type: application/json; charset=utf-8' -d "$report" "$url/api/v1/reports?dry_run=1"
is_taken "a type with its charset"
for b in '{' 'null' '5' '"x"' '{"dataset":1' '{"dataset":"daily","dataset":"daily"}' "$report x" '[[]]' '{"rows":{}}'; do
        post_json "$b"
        is "malformed: $b" '400 malformed' "$status $(field .error.code)"
done
post_json "${report/guns/gunz}" '' -H 'Accept-Language: zh-CN,zh;q=0.9'
holds "errors in Chinese" "$(field '.errors[0].message')" '没有名为“gunz”的指标'
post_json "${report/guns/gunz}" '?lang=en' -H 'Accept-Language: zh-CN'
holds "in English on demand" "$(field '.errors[0].message')" 'no indicator is called'

# ---- sizes
{ printf 'region,guns\n'; yes 'A1,5' | head -c $((64 * 1024 * 1024 - 12)); } >"$run/big"
http -X POST -H 'Content-Type: text/csv' --data-binary "@$run/big" "$url/api/v1/reports?dataset=daily&period=2023-05-01"
is "64 MiB are read" 422 "$status"
is "and refused for what is in them" true "$(field '[.errors[].code] | index("report_too_large") != null')"
echo >>"$run/big"
http -X POST -H 'Content-Type: text/csv' --data-binary "@$run/big" "$url/api/v1/reports?dataset=daily&period=2023-05-01"
is "a byte more" '413 too_large' "$status $(field .error.code)"
http -X POST -H 'Content-Type: text/csv' -H 'Transfer-Encoding: chunked' --data-binary "@$run/big" "$url/api/v1/reports?dataset=daily&period=2023-05-01"
is "a byte more, its length not told before" '413 too_large' "$status $(field .error.code)"
rm "$run/big"

# ---- health and metrics
http "$url/healthz"
is "HQ away: degraded" '200 degraded' "$status $(field .status)"
http "$url/metrics"
is "metrics" 200 "$status"
holds "their names" "$body" '^sumu_[a-z_]+ [0-9]'
is "nothing else in them" '' "$(grep -vE '^(#|sumu_|process_)' <<<"$body")"

# ---- a full outbox
start_office 1 alpha 'outbox: {max_bytes: 4KiB}'
for _ in {1..40}; do
        post_json "$report"
        [ "$status" = 202 ] || break
done
is "never silently full" '503 outbox_full' "$status $(field '.errors[0].code')"
http "$url/healthz"
is "and told" '503 failing' "$status $(field .status)"
stop office-1

# ---- tokens
start_office 2 beta ''
stop office-2
sed -i "s/^http: .*/http: {listen: '127.0.0.1:$((CONTRACT_PORT + 6))', auth: token}/" "$run/office-2.yaml"
start office-2 "$COLLECTOR" --config "$run/office-2.yaml"
until_up office-2 "$url"
token=$(cat "$run/keys/office-beta/http.token")
http "$url/api/v1/reports"
is "no token" '401 unauthorized' "$status $(field .error.code)"
http -H 'Authorization: Bearer nonsense' "$url/api/v1/reports"
is "a wrong token" 401 "$status"
http -H "Authorization: Bearer $token" "$url/api/v1/reports"
is "the token" 200 "$status"
http "$url/?token=$token"
holds "a cookie for the browser" "$(header set-cookie)" 'HttpOnly'
cookie=$(header set-cookie)
http -H "Cookie: ${cookie%%;*}" "$url/api/v1/reports"
is "the cookie" 200 "$status"
http "$url/healthz"
is "health is for everyone" 200 "$status"
finish
