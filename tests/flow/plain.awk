# plain.awk: what the totals have to be, by a plain loop over the reports.
#
#   awk -v catalog=DIR -f plain.awk ROWS…     prints indicator,region,period,value,qualifier,facts of every total there is
#
# ROWS: lines REPORT|DATASET|PERIOD|ACTION|REGION|INDICATOR|VALUE in the order in which they were handed in; REPORT names
# the report of an office (office:number), and stays the same for all its rows. A withdraw has one line, without region.
# VALUE is a plain number, with 余 behind it (at least) or 约 before it (about). DESIGN.md section 3 says what is done here.
BEGIN {
        FS = ","
        while ((getline <(catalog "/regions.csv")) > 0)
                parent[$1] = $2
        while ((getline <(catalog "/indicators.csv")) > 0) {
                kind[$2 "." $1] = $3
                scale[$2 "." $1] = 10 ^ $6
                decimals[$2 "." $1] = $6
        }
        FS = "|"
}
function forget(key,    i) {
        for (i = 1; i <= count[key]; i++) {
                delete value[key, row[key, i]]
                delete rank[key, row[key, i]]
        }
        count[key] = 0
}
function set(key, what, v, r) {
        if (!((key, what) in value))
                row[key, ++count[key]] = what
        value[key, what] = v
        rank[key, what] = r
}
{
        split($1, id, ":")
        key = id[1] SUBSEP $2 SUBSEP $3
        if ($1 != last || key != last_key) {
                if ($4 == "replace" || $4 == "withdraw")
                        forget(key)
                last = $1
                last_key = key
                keys[key] = 1
        }
        if ($5 == "")
                next
        region = $5
        sub(/\/own$/, "", region)
        indicator = $2 "." $6
        v = $7
        r = 0
        if (sub(/余$/, "", v))
                r = 1
        if (sub(/^约/, "", v))
                r = 2
        v = sprintf("%.0f", v * scale[indicator]) + 0
        what = region SUBSEP indicator
        if ($4 == "add" && (key, what) in value) {
                v += value[key, what]
                if (rank[key, what] > r)
                        r = rank[key, what]
        }
        set(key, what, v, r)
}
# The periods a base period lies in, itself among them.
function periods(p, list,    n, y, m) {
        list[n = 1] = p
        y = substr(p, 1, 4)
        if (p ~ /-W/) {
                list[++n] = y
                return n
        }
        if (p ~ /^....-..-..$/)
                list[++n] = substr(p, 1, 7)
        m = p ~ /^....-[0-9][0-9]/ ? substr(p, 6, 2) + 0 : p ~ /-Q/ ? 3 * substr(p, 7, 1) : 0
        if (p ~ /^....-[0-9][0-9]/)
                list[++n] = y "-Q" int((m + 2) / 3)
        if (m)
                list[++n] = y "-H" (m <= 6 ? 1 : 2)
        if (p != y)
                list[++n] = y
        return n
}
function count_in(indicator, region, period, v, r,    total) {
        total = indicator "," region "," period
        if (!(total in facts))
                sum[total] = kind[indicator] == "peak" ? v : 0
        facts[total]++
        if (kind[indicator] != "peak")
                sum[total] += v
        else if (v > sum[total])
                sum[total] = v
        if (r > worst[total])
                worst[total] = r
}
function up(indicator, region, period, v, r) {
        for (; region != ""; region = parent[region])
                count_in(indicator, region, period, v, r)
}
END {
        for (key in keys) {
                split(key, of, SUBSEP)
                n = periods(of[3], list)
                for (i = 1; i <= count[key]; i++) {
                        what = row[key, i]
                        if (!((key, what) in value))
                                continue
                        split(what, at, SUBSEP)
                        for (j = 1; j <= n; j++) {
                                if (kind[at[2]] != "stock") {
                                        up(at[2], at[1], list[j], value[key, what], rank[key, what])
                                        continue
                                }
                                place = at[2] SUBSEP at[1] SUBSEP list[j]
                                if (of[3] > latest[place]) {
                                        latest[place] = of[3]
                                        stands[place] = value[key, what]
                                        stands_rank[place] = rank[key, what]
                                }
                        }
                }
        }
        for (place in latest) {
                split(place, at, SUBSEP)
                up(at[1], at[2], at[3], stands[place], stands_rank[place])
        }
        split("exact,at_least,about", names, ",")
        for (total in facts) {
                split(total, at, ",")
                printf "%s,%.15g,%s,%d\n", total, sum[total] / scale[at[1]], names[worst[total] + 1], facts[total]
        }
}
