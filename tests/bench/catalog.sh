#!/bin/bash
# catalog.sh DIR TREE: the catalogue of work W: 12 leagues with an office each, 60 counters in one dataset by day.
#
#   w       103 banners, 1,000 townships: the leagues of Inner Mongolia, 3 to 14 banners of 9 or 10 townships
#   wide    120 banners, 2,400 townships: every office has 12,000 places, enough for reports of 10,000 facts
#   small   24 banners, 72 townships: for a look at whether it works at all
set -euo pipefail
mkdir -p "$1"
cd "$1"
cat >catalog.yaml <<END
name_zh: 基准
name_en: Work W, tree $2
version: '1'
root: '150000000000'
timezone: Asia/Shanghai
END
cat >datasets.yaml <<END
- code: counts
  name_zh: 计数
  name_en: Counts
  every: day
END
awk -v tree="$2" '
function begin(file, head) { print head >file }
BEGIN {
        n = split("1501 1502 1503 1504 1505 1506 1507 1508 1509 1522 1525 1529", league)
        split("9 9 3 12 8 9 14 7 11 6 12 3", banners)
        begin("regions.csv", "code,parent,level,name_zh,name_en")
        begin("offices.csv", "code,region,scope,datasets,name_zh,name_en")
        begin("indicators.csv", "code,dataset,kind,unit_zh,unit_en,decimals,min,max,name_zh,name_en,formula,level")
        for (i = 1; i <= 60; i++)
                printf "i%02d,counts,flow,个,pieces,0,,,计数%d,Count %d,,\n", i, i, i >"indicators.csv"
        root = "150000000000"
        printf "%s,,region,全区,Region\n", root >"regions.csv"
        for (l = 1; l <= n; l++) {
                above = league[l] "00000000"
                printf "%s,%s,league,盟%d,League %d\n", above, root, l, l >"regions.csv"
                printf "%s,%s,subtree,*,填报%d,Office %d\n", league[l], above, l, l >"offices.csv"
                many = tree == "w" ? banners[l] : tree == "wide" ? 10 : 2
                for (b = 1; b <= many; b++) {
                        banner = sprintf("%s%02d", league[l], b + 1)
                        printf "%s000000,%s,banner,旗%s,Banner %s\n", banner, above, banner, banner >"regions.csv"
                        towns = tree == "w" ? (met++ < 73 ? 10 : 9) : tree == "wide" ? 20 : 3
                        for (t = 1; t <= towns; t++) {
                                town = sprintf("%s%03d000", banner, t)
                                printf "%s,%s000000,township,乡%s,Township %s\n", town, banner, town, town >"regions.csv"
                        }
                }
        }
}'
