#!/bin/bash
# published.sh SINK_URL PUBLISHED_CSV: asks the sink for every row of published.csv, prints it beside what was published.
# Exit 0 only if value and qualifier of each row are the published ones.
set -euo pipefail
sink=$1 file=$2
ok=0 bad=0
printf '%-28s %-8s %-24s %12s  %-9s %s\n' indicator region period value qualifier published
# article,dataset,indicator,name_zh,name_en,unit_zh,unit_en,kind,region,period,value,qualifier,text_zh; the names hold no comma
while IFS=, read -r _ dataset indicator _ _ _ _ _ region period value qualifier text; do
        got=$(sumu totals --sink "$sink" --format csv --indicator "$dataset.$indicator" --region "$region" --period "$period" | tr -d '\r')
        have=$(awk -F, 'NR == 1 {for (i = 1; i <= NF; i++) at[$i] = i} NR == 2 {print $at["value"], $at["qualifier"]}' <<<"$got")
        mark='='
        if [ "$have" = "$value $qualifier" ]; then ok=$((ok + 1)); else mark='≠'; bad=$((bad + 1)); fi
        printf '%-28s %-8s %-24s %12s  %-9s %s %s\n' "$indicator" "$region" "$period" ${have:-none none} "$mark" "$text"
done < <(grep -v '^#' "$file" | tail -n +2 | tr -d '\r')
echo "$ok of $((ok + bad)) figures are exactly those of the articles"
[ $bad -eq 0 ] && [ $ok -gt 0 ]
