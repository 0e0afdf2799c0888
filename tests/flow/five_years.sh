#!/bin/bash
# 300,000 rows of 21 offices over five years, as files a month, through real collectors: daily, weekly, monthly, quarterly and
# yearly forms, with what is missing and what is corrected much later. Every stored total, and figures of all other kinds, are
# those of a plain loop. Prints what it took; the numbers of README and docs are of a release build:
#
#   cmake --preset release && cmake --build --preset release && SUMU_BIN=build/release tests/flow/five_years.sh
. "$(dirname "$0")/lib.sh"
FLOW_PATIENCE=1800
seed=${SEED:-20190101}
echo "SEED=$seed"
mkdir "$dir/catalog"
awk -v make=catalog -v out="$dir/catalog" -f "$flow/five_years.awk"
region "$dir/catalog"
offices=()
for i in $(seq 21); do
        offices+=($((i * 100)))
        mkdir -p "$dir/files/$((i * 100))"
        awk -v make=reports -v office="$i" -v seed=$((seed + i * 7919)) -v out="$dir/files/$((i * 100))" -f "$flow/five_years.awk"
done
rows=$(cat "$dir"/files/*/rows | wc -l)
reports=$(cat "$dir"/files/*/rows | cut -d'|' -f1 | uniq | wc -l)
[ "$rows" -ge 300000 ] || fail "only $rows rows"
chapter "$reports reports, $rows rows"

start aggregator
start sink
for o in "${offices[@]}"; do office "$o" && start "$o"; done
for o in "${offices[@]}"; do await healthy "$o"; done
memory() { # daemon, VmRSS or VmHWM: MiB
        awk -v what="$2:" '$1 == what {printf "%.1f", $2 / 1024}' "/proc/${pid_of[$1]}/status"
}
tell_memory() { # what, VmRSS or VmHWM
        chapter "$1: aggregator $(memory aggregator "$2") MiB, sink $(memory sink "$2") MiB, collectors $(for o in "${offices[@]}"; do
                memory "$o" "$2"; echo; done | sort -n | sed -n '1p;$p' | paste -sd- | sed 's/-/ to /') MiB"
}
tell_memory "idle, resident" VmRSS

now_ms() { echo $(($(date +%s%N) / 1000000)); }
began=$(now_ms)
submitting=()
for o in "${offices[@]}"; do
        submit "$o" "$dir/files/$o"/*.csv >"$dir/submitted-$o" 2>&1 &
        submitting+=($!)
done
for i in "${!submitting[@]}"; do wait "${submitting[$i]}" || { tail -n 3 "$dir/submitted-${offices[$i]}" >&2; fail "${offices[$i]} could not submit"; }; done
taken=$(now_ms)
for o in "${offices[@]}"; do await drained "$o"; done
ended=$(now_ms)
rate() { awk -v n="$1" -v ms="$2" 'BEGIN {printf "%.0f", n * 1000 / ms}'; }
chapter "taken by the collectors in $((taken - began)) ms: $(rate "$reports" $((taken - began))) reports/s, $(rate "$rows" $((taken - began))) rows/s"
chapter "end to end, verdicts back, in $((ended - began)) ms: $(rate "$reports" $((ended - began))) reports/s, $(rate "$rows" $((ended - began))) rows/s"
tell_memory "at most" VmHWM
chapter "disk: sink $(du -m "$dir/state/sink" | cut -f1) MiB, an office's outbox $(du -m "$dir/state/100" | cut -f1) MiB"

accepted=$(sqlite3 -readonly "$dir/state/sink/sumu.db" "SELECT count(*) FROM report WHERE verdict = 'accepted'")
is "$accepted" "$reports"
plainly "$dir"/files/*/rows >"$dir/plain"
chapter "$(wc -l <"$dir/plain") totals by a plain loop"
# Stored are those of regions that have children.
stored() {
        sqlite3 -readonly -separator , "$dir/state/sink/sumu.db" "SELECT indicator, region, period, value, qualifier, facts FROM total WHERE facts > 0" |
                awk -F, -v OFS=, '{$4 = sprintf("%.15g", $4); print}' | sort
}
stored >"$dir/stored"
grep -E '^[^,]*,(land|[0-9]+00),' "$dir/plain" | diff - "$dir/stored" >"$dir/diff" || { head -n 20 "$dir/diff" >&2; fail "stored totals differ: plain <, stored >"; }
chapter "all $(wc -l <"$dir/stored") stored totals are the same"
# A sample of the others, as they are answered: of a thousand, each with its like.
awk -v seed="$seed" 'BEGIN {srand(seed)} {print rand() "\t" $0}' "$dir/plain" | sort -n | awk -F'\t' 'NR <= 2000 {print $2}' | sort >"$dir/sample"
while IFS=, read -r indicator r period _; do
        echo "url = \"$(url sink)/api/v1/totals?indicator=$indicator&region=$r&period=$period\""
done <"$dir/sample" >"$dir/asked"
curl -sSf -K "$dir/asked" | jq -r '.totals[] | [.indicator, .region, .period, .value, .qualifier, .facts] | join(",")' | sort |
        diff "$dir/sample" - >"$dir/diff" || { head -n 20 "$dir/diff" >&2; fail "totals differ: plain <, answered >"; }
chapter "2000 answers are the same"
verified
chapter "and sumu verify agrees"
punctual aggregator sink "${offices[@]}"
stop_all
