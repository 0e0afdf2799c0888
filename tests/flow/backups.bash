# shellcheck shell=bash
# backups.bash: what the tests of backups, copies and losses have in common; sourced after lib.sh and `region`.
#
#   put COLLECTOR PERIOD ACTION FIREARMS [EXPLOSIVES]    one report, noted for the oracle; the receipt lies in $dir/receipt
#   heap COLLECTOR DAY N                                 N reports at once, not noted
#   into COLLECTOR LIFE                                  from here on its reports belong to another stream of the office
#   backup NAME AS                                       of sink or collector, while it runs, as docs/operator.md says
#   restore NAME AS, lose NAME                           of one that is stopped
#   twin NAME OFFICE AS                                  a second machine with the same keys and a copy of the outbox
#   exact COLLECTOR…                                     the end of every story, see there
#
# The oracle: each stream's reports are noted in $dir/rows/OFFICE.LIFE in the order in which they were handed in, lives in the
# order of their turns, and plain.awk adds up. What a story loses on purpose it strikes out with `unsaid OFFICE LIFE FIGURE`.
declare -A life office_of banner_of
mkdir -p "$dir/rows" "$dir/kept"
reports=0

banner() { # the first one of an office's scope
        [ -n "${banner_of[$1]:-}" ] || banner_of[$1]=$(awk -F, -v office="$1" '$2 == office {print $1; exit}' "$catalog/regions.csv")
}
into() { life[$1]=$2; }
put() {
        local name=$1 period=$2 action=$3 firearms=$4 explosives=${5:-}
        local office=${office_of[$1]:-$1} region rows
        banner "$office"
        region=${banner_of[$office]}
        rows="$dir/rows/$office.${life[$1]:-1}"
        {
                echo "region,indicator,value"
                echo "$region,firearms_seized,$firearms"
                [ -z "$explosives" ] || echo "$region,explosives_seized,$explosives"
        } | curl -sS --fail-with-body -o "$dir/receipt" -H "Content-Type: text/csv" --data-binary @- \
                "$(url "$name")/api/v1/reports?dataset=gunexp&period=$period&action=$action" || fail "$name does not take a report: $(cat "$dir/receipt")"
        reports=$((reports + 1))
        echo "$office:$reports|gunexp|$period|$action|$region|firearms_seized|$firearms" >>"$rows"
        [ -z "$explosives" ] || echo "$office:$reports|gunexp|$period|$action|$region|explosives_seized|$explosives" >>"$rows"
}
heap() { # collector, first day, n: a report for each of n days, in one body: of 1, 2, … n firearms; not the oracle's business
        local office=${office_of[$1]:-$1}
        banner "$office"
        jq -nc --arg first "$2" --arg region "${banner_of[$office]}" --argjson n "$3" '[range($n) as $day | {dataset: "gunexp",
                period: ("\($first)T00:00:00Z" | fromdate + $day * 86400 | todate[:10]),
                rows: [{region: $region, indicator: "firearms_seized", value: "\($day + 1)"}]}]' |
                curl -sSf -o "$dir/receipt" -H 'Content-Type: application/json' --data-binary @- "$(url "$1")/api/v1/reports" ||
                fail "$1 does not take a heap"
}
unsaid() { # office, life, figure of firearms: each figure is given only once in a story that loses some
        grep -q "|firearms_seized|$3\$" "$dir/rows/$1.$2" || fail "nobody said $3"
        sed -i "/|firearms_seized|$3\$/d" "$dir/rows/$1.$2"
}

database() { case $1 in sink) echo "$dir/state/sink/sumu.db" ;; *) echo "$dir/state/$1/outbox.db" ;; esac; }
backup() {
        rm -f "$dir/kept/$2.db"
        sqlite3 -readonly "$(database "$1")" "VACUUM INTO '$dir/kept/$2.db'"
}
lose() {
        local db
        db=$(database "$1")
        rm -f "$db" "$db-wal" "$db-shm"
}
restore() {
        lose "$1"
        cp "$dir/kept/$2.db" "$(database "$1")"
}
twin() {
        port_of[$1]=$((flow_ports + 8 + ${#port_of[@]}))
        office_of[$1]=$2
        mkdir -p "$dir/state/$1"
        sed -e "s|^state: .*|state: $dir/state/$1|" -e "s|^http: .*|http: {listen: 127.0.0.1:${port_of[$1]}}|" \
                "$dir/conf/$2.yaml" >"$dir/conf/$1.yaml"
        restore "$1" "$3"
}
streams() { sqlite3 -readonly "$(database sink)" "SELECT count(*) FROM mark WHERE office = '$1'"; }
version() { metric sink sumu_store_version; }
sums_up() { # period, firearms: what HQ says is seized in all of the region
        [ "$(total gunexp.firearms_seized 150000 "$1" | cut -d' ' -f1)" = "$2" ]
}

# What a collector shows of its reports is what HQ's store holds of them: stream, number, verdict, and the
# revision of what is accepted; and the turns.
told_alike() {
        ask "$1" '/api/v1/reports?limit=1000' | jq -r '.reports[] | "\(.stream) \(.seq) \(.state) \(if .state == "accepted" then .revision else "-" end)"' | sort >"$dir/told"
        sqlite3 -readonly -separator ' ' "$(database sink)" "SELECT stream, seq, verdict, CASE verdict
                WHEN 'accepted' THEN revision ELSE '-' END FROM report" | sort >"$dir/stored"
        comm -23 "$dir/told" "$dir/stored" >"$dir/untrue"
        [ ! -s "$dir/untrue" ] || { cat "$dir/untrue" >&2; fail "$1 tells of reports what HQ does not know"; }
        sqlite3 -readonly "$(database "$1")" 'SELECT lower(hex(stream)), turn FROM stream WHERE turn > 0' | sort >"$dir/told"
        sqlite3 -readonly "$(database sink)" 'SELECT stream, turn FROM mark' | sort >"$dir/stored"
        is "$(comm -23 "$dir/told" "$dir/stored")" ""
}
# Revisions of a report are numbered without doubles; current is what lies behind the last replace or withdraw, by place.
orderly() {
        local odd
        odd=$(sqlite3 -readonly "$(database sink)" "
                SELECT 'revision', office, period, revision FROM report WHERE verdict = 'accepted'
                 GROUP BY office, dataset, period, revision HAVING count(*) > 1;
                SELECT 'current', office, period, turn, seq FROM report r WHERE current <> (verdict = 'accepted' AND NOT EXISTS (
                 SELECT 1 FROM report x WHERE x.office = r.office AND x.dataset = r.dataset AND x.period = r.period
                  AND x.verdict = 'accepted' AND x.action IN ('replace', 'withdraw') AND (x.turn, x.seq) > (r.turn, r.seq)))")
        [ -z "$odd" ] || { echo "$odd" >&2; fail "HQ's reports are out of order"; }
}
# Everything handed in is at HQ, all totals are the oracle's, and the collectors named tell their offices the truth.
exact() {
        local name
        for name in "$@"; do await drained "$name"; done
        same_as_plainly "$dir"/rows/*
        for name in "$@"; do told_alike "$name"; done
        orderly
        verified
}
