# five_years.awk: a country of 21 offices, and what they report in five years, from a seed.
#
#   awk -v make=catalog -v out=FOLDER -f five_years.awk                       the catalogue
#   awk -v make=reports -v office=N -v seed=S -v out=FOLDER -f five_years.awk  FOLDER/YYYY-MM.csv, a file a month, and FOLDER/rows
#
# As in life: small figures many, large ones few; a season; weekends off; zeros that are given and figures that are not;
# reports that never came, and corrections months later, of one figure or of the whole report.
BEGIN {
        split("晨 霞 岚 川 原 泉 林 岗 湖 滩 沙 云 松 石 河 谷 野 岭 湾 洲 台", league, " ")
        split("东 西 南 北 上 下 前 后", side, " ")
        offices = 21
        banners = 8
        # dataset every, then its indicators: code kind decimals, rows of a report
        sets = split("acts visits posts works census", set, " ")
        split("day week month quarter year", rhythm, " ")
        codes["acts"] = "cases:flow:0 fines:flow:2 hours:flow:1 longest:peak:1"
        codes["visits"] = "calls:flow:0 guests:flow:0 open:stock:0 crowd:peak:0"
        codes["posts"] = "letters:flow:0 parcels:flow:0 staff:stock:0 weight:flow:3 queue:peak:0"
        codes["works"] = "roads:flow:1 wells:flow:0 sites:stock:0 cost:flow:2 crews:stock:0 slope:peak:1 trees:flow:0 bridges:flow:0"
        codes["census"] = "people:stock:0 homes:stock:0 farms:stock:0 births:flow:0 oldest:peak:0 schools:stock:0 cars:stock:0 ponds:stock:0"
        if (make == "catalog")
                catalog()
        else
                reports()
}
function catalog(    i, j, k, f, n, list, part) {
        f = out "/catalog.yaml"
        print "name_zh: 五年\nname_en: Five Years\nversion: '1'\nroot: land\ntimezone: Asia/Shanghai" >f
        f = out "/datasets.yaml"
        for (i = 1; i <= sets; i++)
                print "- {code: " set[i] ", name_zh: 表" i ", name_en: Form " i ", every: " rhythm[i] ", due: 5d}" >f
        f = out "/indicators.csv"
        print "code,dataset,kind,unit_zh,unit_en,decimals,min,max,name_zh,name_en,formula,level" >f
        for (i = 1; i <= sets; i++) {
                n = split(codes[set[i]], list, " ")
                for (j = 1; j <= n; j++) {
                        split(list[j], part, ":")
                        print part[1] "," set[i] "," part[2] ",个,units," part[3] ",,,表" i "第" j "项," part[1] ",," (part[2] == "stock" ? "banner" : "") >f
                }
        }
        f = out "/regions.csv"
        print "code,parent,level,name_zh,name_en" >f
        print "land,,region,全境,The land" >f
        for (i = 1; i <= offices; i++) {
                print i * 100 ",land,league," league[i] "盟,League " i >f
                for (j = 1; j <= banners; j++)
                        print i * 100 + j "," i * 100 ",banner," league[i] side[j] "旗,Banner " i "." j >f
        }
        f = out "/offices.csv"
        print "code,region,scope,datasets,name_zh,name_en" >f
        for (i = 1; i <= offices; i++)
                print i * 100 "," i * 100 ",subtree,*," league[i] "办公室,Office " i >f
        print "code,dataset,grade,check,message_zh,message_en" >(out "/rules.csv")
}
function random() { return (seed = seed * 16807 % 2147483647) / 2147483647 }
function chance(p) { return random() < p }
function figure(mean, decimals,    v) { # exponential with a heavy tail
        v = -log(random()) * mean * (chance(0.01) ? 40 : 1)
        return sprintf("%." decimals "f", v)
}
function line(dataset, period, action, region, indicator, v) {
        # Half of the banners are known by name, as in a clerk's workbook.
        print dataset "," period "," (region % 2 ? region : league[int(region / 100)] side[region % 100] "旗") "," indicator "," v "," action >file
        print office * 100 ":" n "|" dataset "|" period "|" action "|" region "|" indicator "|" v >(out "/rows")
}
function report(which, period, season, share,    i, j, k, list, part, dataset, any) {
        dataset = set[which]
        given[++n_given] = which SUBSEP period
        n++
        k = split(codes[dataset], list, " ")
        for (i = 1; i <= banners; i++)
                for (j = 1; j <= k; j++) {
                        if (!(chance(share) || (!any && i == banners && j == k)))
                                continue
                        any = 1
                        split(list[j], part, ":")
                        line(dataset, period, "replace", office * 100 + i, part[1],
                             chance(0.15) ? 0 : figure(20 * season * j * which, part[3]) (chance(0.02) ? "余" : ""))
                }
}
function correction(    pick, part, at, list, one, k) {
        pick = 1 + int(random() * n_before)
        split(given[pick], at, SUBSEP)
        if ((at[1], at[2]) in touched)
                return
        touched[at[1], at[2]] = 1
        n++
        k = split(codes[set[at[1]]], list, " ")
        split(list[1 + int(random() * k)], one, ":")
        line(set[at[1]], at[2], chance(0.2) ? "replace" : "merge", office * 100 + 1 + int(random() * banners), one[1], figure(30, one[3]))
}
function reports(    y, m, d, days, weekday, season, i) {
        for (i = 0; i < 10; i++)
                random()
        n = 0
        weekday = 1 # 2019-01-01 was a Tuesday
        for (y = 2019; y <= 2023; y++) {
                for (m = 1; m <= 12; m++) {
                        file = sprintf("%s/%04d-%02d.csv", out, y, m)
                        print "数据集,时期,地区,指标,数值,操作" >file
                        delete touched
                        n_before = n_given
                        days = m == 2 ? 28 + (y % 4 == 0) : m == 4 || m == 6 || m == 9 || m == 11 ? 30 : 31
                        season = 1 + 0.6 * sin(6.2832 * (m + office) / 12)
                        for (d = 1; d <= days; d++) {
                                if (chance(0.98))
                                        report(1, sprintf("%04d-%02d-%02d", y, m, d), season, weekday >= 5 ? 0.05 : 0.17)
                                if (weekday == 6)
                                        sunday(y)
                                weekday = (weekday + 1) % 7
                        }
                        if (chance(0.97))
                                report(3, sprintf("%04d-%02d", y, m), season, 0.97)
                        if (m % 3 == 0)
                                report(4, sprintf("%04d-Q%d", y, m / 3), season, 0.95)
                        if (m == 12)
                                report(5, y "", 50, 0.98)
                        if (n_before > 0)
                                for (i = 0; i < 12; i++)
                                        correction()
                        close(file)
                }
        }
}
# ISO weeks, by their last day: 2019-W01 ended on 2019-01-06, 2020 has 53.
function sunday(y) {
        week_y = week_y ? week_y : 2019
        if (++week_n > (week_y == 2020 ? 53 : 52)) {
                week_n = 1
                week_y++
        }
        if (chance(0.98))
                report(2, sprintf("%04d-W%02d", week_y, week_n), 2, 0.4)
}
