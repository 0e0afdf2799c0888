#!/bin/bash
# office: FACTS facts as CSV files through the inbox of a real collector, as many as CSV by POST, as many as JSON by POST,
# in reports of a day (ROWS facts) and files of DAYS days, until they are in the outbox. HQ is away; when all is measured
# it comes, and every banner's months are what a plain sum of the files is. Beside it, in turn, the same CSV files through
# libcsv alone, which only counts fields (fields.c).
. "$(dirname "$0")/lib.sh"
tree=${TREE:-w} facts=${FACTS:-600000} days=${DAYS:-20} rows=${ROWS:-5000}
files=$(((facts + days * rows - 1) / (days * rows)))
facts=$((files * days * rows))
ground "$tree"
code=$(awk -F, 'NR == 2 {print $1}' "$catalog/offices.csv")
office "$code" "inbox: $dir/inbox"

# Sheets of the office, days one after the other from a year on (of 12 months of 28 days), one figure in twenty 余.
sheets() { # year, what they are called
        awk -F, -v code="$code" -v days="$days" -v rows="$rows" -v files="$files" -v year="$1" -v name="$dir/in/$2" '
        FNR == 1 {next}
        FILENAME ~ /regions.csv$/ {if ($3 == "township" && index($1, code) == 1) town[towns++] = $1; next}
        {counter[counters++] = $1}
        END {
                if (rows > towns * counters) {print "office: ROWS is above " towns * counters >"/dev/stderr"; exit 1}
                for (f = 0; f < files; f++) {
                        out = sprintf("%s-%03d.csv", name, f)
                        print "dataset,period,region,indicator,value" >out
                        for (d = f * days; d < (f + 1) * days; d++) {
                                day = sprintf("%d-%02d-%02d", year + int(d / 336), int(d / 28) % 12 + 1, d % 28 + 1)
                                for (r = 0; r < rows; r++) {
                                        value = (r * 7919 + d * 104729) % 1001
                                        printf "counts,%s,%s,%s,%d%s\n", day, town[int(r / counters)], counter[r % counters], value,
                                                value && (r + d) % 20 == 0 ? "余" : "" >out
                                }
                        }
                        close(out)
                }
        }' "$catalog/regions.csv" "$catalog/indicators.csv"
}
as_json() { # CSV file: one body, a report a day
        awk -F, 'NR == 1 {next}
                $2 != day {printf "%s{\"dataset\":\"%s\",\"period\":\"%s\",\"rows\":[", day ? "]}," : "[", $1, $2; day = $2; comma = ""}
                {printf "%s{\"region\":\"%s\",\"indicator\":\"%s\",\"value\":\"%s\"}", comma, $3, $4, $5; comma = ","}
                END {print "]}]"}' "$1"
}
rows_taken() { metric "$code" sumu_rows_total; }

# Each way tells how many facts arrived in took_ms.
by_inbox() { # From the first look that finds something taken: a file is left alone until it has stood still.
        local from taken=0 first
        mv "$dir"/in/inbox-*.csv "$dir/inbox/"
        while [ "$taken" = 0 ]; do
                from=$(now_ms)
                taken=$(rows_taken)
        done
        first=$taken
        while [ "$taken" -lt $facts ]; do
                ! compgen -G "$dir/inbox/rejected/*" >/dev/null || fail "a file was rejected"
                turn
                taken=$(rows_taken)
        done
        took_ms=$(($(now_ms) - from)) arrived=$((facts - first))
}
post() { # type, file…
        local type=$1 file answer
        shift
        for file in "$@"; do
                answer=$(curl -sS -o "$dir/answer" -w '%{http_code}' -H 'Expect:' -H "Content-Type: $type" --data-binary "@$file" "$(url "$code")/api/v1/reports")
                [ "$answer" = 202 ] || fail "$file: $answer $(head -c 400 "$dir/answer")"
        done
        arrived=$facts
}
way() { # name, what is done
        local before
        before=$(cpu_ms "$code")
        "${@:2}"
        measure "$1_mfacts_s" "$(per "$arrived" $((took_ms * 1000)))"
        measure "$1_cpu" "$(per $((($(cpu_ms "$code") - before) * 1000)) $facts)"
}
of_line() { tr ' ' '\n' <<<"$1" | sed -n "s/^$2=//p"; } # line, name

mkdir -p "$dir/in" "$dir/inbox"
sheets 2010 inbox
sheets 2014 post
sheets 2018 json
for sheet in "$dir"/in/json-*.csv; do as_json "$sheet" >"${sheet%.csv}.json"; done
cat "$dir"/in/*.csv >"$dir/said"
start "$code"
measured="facts=$facts files=$files rows=$rows"
way csv_inbox by_inbox
libcsv=$(bench_fields "$dir"/in/post-*.csv)
is "fields: $(of_line "$libcsv" fields)" "fields: $((5 * (facts + files)))"
way csv_post timed post text/csv "$dir"/in/post-*.csv
way json_post timed post application/json "$dir"/in/json-*.json
measure libcsv_mfacts_s "$(per $facts "$(of_line "$libcsv" wall_s | awk '{print $1 * 1e6}')")"
measure libcsv_cpu "$(per "$(of_line "$libcsv" cpu_s | awk '{print $1 * 1e6}')" $facts)"
measure ratio_csv_cpu "$(per "$(figure csv_post_cpu)" "$(figure libcsv_cpu)")"
measure ratio_csv_mfacts_s "$(per "$(figure csv_post_mfacts_s)" "$(figure libcsv_mfacts_s)")"
measure csv_bytes_fact "$(per "$(of_line "$libcsv" bytes)" $facts)"
measure rss_collector_mib "$(rss_mib "$code")"
stop "$code"
measure outbox_bytes_fact "$(per "$(stat -c %s "$dir/state/$code/outbox.db")" $((3 * facts)))"

start sink
start aggregator
start "$code"
await drained "$code"
awk -F, '$1 == "counts" {
                place = "counts." $4 "," substr($3, 1, 6) "000000," substr($2, 1, 7)
                if (sub("余", "", $5)) least[place] = 1
                sum[place] += $5
                n[place]++
        } END {for (p in sum) printf "%s,%d,%s,%d\n", p, sum[p], least[p] ? "at_least" : "exact", n[p]}' "$dir/said" | sort >"$dir/sums"
sql "SELECT indicator, region, period, value, qualifier, facts FROM total WHERE facts > 0 AND period GLOB '????-[01]?' AND region GLOB '??????000000' AND region NOT GLOB '????00*'" |
        sort >"$dir/stored"
agree banners "$dir/sums" "$dir/stored"
measure totals_compared "$(wc -l <"$dir/stored")"
punctual "$code"
conclude office
