#!/bin/bash
# A year of seeded random reports against a plain loop over them; questions made to be expensive; fifty readers while reports
# come in.
source "$(dirname "$0")/lib.sh"
hq_start
office_start a b
seed=${SUMU_SEED:-$RANDOM}
echo "seed $seed"

# two offices, a year of days, some values twice (a later file replaces), some blank, some qualified
awk -v seed="$seed" 'BEGIN {
        srand(seed)
        split("flow stock peak", indicator, " ")
        for (day = 0; day < 365; day++) for (o = 1; o <= 2; o++) {
                office = o == 1 ? "a" : "b"
                n = split(o == 1 ? "A/own A1 A2" : "B/own B1 B2/own B2x B2y", region, " ")
                if (rand() < 0.2) continue
                for (round = 1; round <= (rand() < 0.2 ? 2 : 1); round++) for (r = 1; r <= n; r++) for (i = 1; i <= 3; i++) {
                        if (rand() < 0.4) continue
                        value = int(rand() * 1000); q = rand()
                        if (i != 2 && q > 0.5 && rand() < 0.3) { value = -value; q = 0 }
                        print office, round, strftime("%Y-%m-%d", 1640995200 + day * 86400, 1), region[r], indicator[i], value, (q > 0.95 ? "about" : q > 0.8 ? "at_least" : "exact")
                }
        }
}' >"$work/facts"
for round in 1 2; do
        for o in a b; do
                awk -v o=$o -v round=$round 'BEGIN {print "dataset,period,region,indicator,value"}
                        $1 == o && $2 == round {print "d," $3 "," $4 "," $5 "," ($7 == "about" ? "约" $6 : $7 == "at_least" ? $6 "余" : $6)}' "$work/facts" >"$work/$o$round.csv"
                sumu submit --collector "${url[$o]}" --yes --action replace "$work/$o$round.csv" >"$work/out" 2>&1 || same "taken" yes "$(head -c 500 "$work/out")"
        done
done

# fifty readers at once, until the reports are in
reader() {
        local n=0 s
        until [ -e "$work/enough" ]; do
                for q in "totals?indicator=flow,stock,peak&period=2022&children=1" "series?indicator=flow&region=A1&from=2022-01-01&to=2022-12-31" "lineage?indicator=stock&period=2022" "coverage?dataset=d&period=2022"; do
                        s=$(curl -s -o /dev/null -w '%{http_code}' --max-time 20 "$sink/api/v1/$q")
                        [ "$s" = 200 ] || [ "$s" = 429 ] || [ "$s" = 503 ] || echo "$s $q" >>"$work/strange"
                        n=$((n + 1))
                        [ "$n" -ge 4 ] && [ -e "$work/enough" ] && break
                done
        done
}
readers=()
for _ in $(seq 50); do reader & readers+=($!); done
for i in 1 2 3 4 5; do report a "2021-05-0$i" d replace "A1 flow $i"; settle; done
touch "$work/enough"
wait "${readers[@]}"
ask "/api/v1/reports?period=2021-05"
slowest=$(jq '[.reports[]|.version / 1000 - ((.submitted_at[:19] + "Z" | fromdate) * 1000 + (.submitted_at[20:23] | tonumber))] | max | floor' <<<"$body")
holds "reads delay no commit: from office to store in $slowest ms at most" test "$slowest" -lt 3000
same "no reader met anything strange" "" "$(sort "$work/strange" 2>/dev/null | uniq -c | head)"
settle

# what a plain loop says: the last report of an office and day stands; over time, then over place
awk '
        BEGIN {
                up["A/own"] = "A"; up["B/own"] = "B"; up["B2/own"] = "B2"
                parent["A1"] = parent["A2"] = "A"; parent["B1"] = parent["B2"] = "B"; parent["B2x"] = parent["B2y"] = "B2"; parent["A"] = parent["B"] = "R"
        }
        {last[$1, $3] = $2 > last[$1, $3] ? $2 : last[$1, $3]; line[NR] = $0}
        function upto(p, r, i, v, q) {
                for (; r != ""; r = parent[r]) {
                        k = i " " r " " p
                        if (i == "peak") sum[k] = !(k in n) || v > sum[k] ? v : sum[k]
                        else sum[k] += v
                        n[k]++
                        if (q == "about") about[k] = 1; else if (q == "at_least") least[k] = 1
                }
        }
        END {
                for (l = 1; l <= NR; l++) {
                        split(line[l], f, " ")
                        if (last[f[1], f[3]] != f[2]) continue
                        r = (f[4] in up) ? up[f[4]] : f[4]
                        np = split(f[3] " " substr(f[3], 1, 7) " 2022-Q" int((substr(f[3], 6, 2) + 2) / 3) " 2022-H" (substr(f[3], 6, 2) + 0 > 6 ? 2 : 1) " 2022", period, " ")
                        if (f[3] >= "2022-02-10" && f[3] <= "2022-09-20") period[++np] = "2022-02-10/2022-09-20"
                        for (p = 1; p <= np; p++) {
                                if (f[5] != "stock") { upto(period[p], r, f[5], f[6], f[7]); continue }
                                k = period[p] " " f[4] # own and subtree spellings are one region each
                                if (!(k in at) || f[3] > at[k]) { at[k] = f[3]; latest[k] = f[6] " " f[7] " " r " " period[p] }
                        }
                }
                for (k in latest) { split(latest[k], s, " "); upto(s[4], s[3], "stock", s[1], s[2]) }
                for (k in n) print k, sum[k], (k in about ? "about" : k in least ? "at_least" : "exact"), n[k]
        }' "$work/facts" | LC_ALL=C sort >"$work/plain"
regions=R,A,B,A1,A2,B1,B2,B2x,B2y
{
        curl -s "$sink/api/v1/totals?indicator=flow,stock,peak&region=$regions&period=2022,2022-H1,2022-H2,2022-Q1,2022-Q2,2022-Q3,2022-Q4,2022-02-10/2022-09-20"
        curl -s "$sink/api/v1/series?indicator=flow,stock,peak&region=$regions&from=2022-01&to=2022-12&every=month"
        curl -s "$sink/api/v1/series?indicator=flow&region=$regions&from=2022-01-01&to=2022-12-31"
        curl -s "$sink/api/v1/series?indicator=stock&region=$regions&from=2022-01-01&to=2022-12-31"
        curl -s "$sink/api/v1/series?indicator=peak&region=$regions&from=2022-01-01&to=2022-12-31"
} | jq -r '.totals[] | select(.facts > 0) | "\(.indicator) \(.region) \(.period) \(.value) \(.qualifier) \(.facts)"' | LC_ALL=C sort >"$work/asked"
same "figures compared" yes "$([ "$(wc -l <"$work/plain")" -gt 5000 ] && echo yes)"
same "every one is what a plain loop says (seed $seed)" "" "$(diff "$work/plain" "$work/asked" | head -n 10)"
sumu verify --sink "$sink" --format json >"$work/verify" || same "verify" fine "$(cat "$work/verify")"
same "verify agrees" "true true" "$(jq -r '"\(.agree == .totals) \(.intact == .streams)"' "$work/verify")"

# expensive questions end within a bound, and leave the sink well
quick() { # what, statuses, path
        local begun=$SECONDS
        ask "$3"
        holds "$1: $status" test "${2#*"$status"}" != "$2"
        holds "$1: in $((SECONDS - begun)) s" test $((SECONDS - begun)) -le 8
}
quick "a hundred years, every kind" 200 "/api/v1/totals?indicator=flow,stock,peak,kilos&region=$regions&period=1950-01-01/2049-12-31&children=1"
quick "a hundred years of weeks of days" 200 "/api/v1/series?indicator=stock&from=1950-W01&to=2049-W52&every=week"
quick "ten thousand means" "200 422 503" "/api/v1/series?indicator=smooth,change,per&region=R,A,B&from=2020-01-01&to=2022-12-31"
quick "the same indicator a thousand times" "200 422" "/api/v1/totals?indicator=flow$(printf ',flow%.0s' {2..1000})&period=2022"
quick "every region, every kind, twice" "200 422" "/api/v1/series?indicator=flow,stock,peak&region=$regions&from=2021-01-01&to=2021-12-31"
quick "two thousand spans that overlap" "200 422 503" "/api/v1/totals?indicator=stock&region=B2x,B&period=$(for i in $(seq 0 999); do printf '%s/2022-12-31,' "$(printf '20%02d-0%d-%02d' $((i / 100 + 10)) $((i / 20 % 5 + 1)) $((i % 20 + 1)))"; done)2022"
quick "coverage of a hundred years" 200 "/api/v1/coverage?dataset=d&period=1950-01-01/2049-12-31"
quick "lineage of a hundred years" 200 "/api/v1/lineage?indicator=flow&period=1950-01-01/2049-12-31&limit=10000"
quick "as of long ago" 200 "/api/v1/series?indicator=flow&region=R&from=2000-01-01&to=2026-12-31&as_of=2020-01-01T00:00:00Z"
quick "ten thousand entries as of a minute ago" "200 503" "/api/v1/series?indicator=stock&region=R&from=2000-01-01&to=2027-05-18&as_of=$(($(date +%s%N) / 1000 - 5000000))"
ask /healthz
same "well afterwards" ok "$(field .status | tr -d '"')"
rss() { awk '/VmHWM/ {print int($2 / 1024)}' "/proc/${pid[sink]}/status"; }
holds "the most memory the sink ever took: $(rss) MiB" test "$(rss)" -lt 900
