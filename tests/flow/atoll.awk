# atoll.awk: what the offices of the invented catalogue report, from a seed: the rows, for plain.awk and for_office.awk.
# Every rhythm, kind and level, both sides of the new year and of what begins and ends; nothing falls into a lock.
function random(n) {
        seed = seed * 16807 % 2147483647
        return int(seed / 2147483647 * n)
}
function figure(low, high, decimals,    scale) {
        scale = 10 ^ decimals
        return sprintf("%." decimals "f", (low * scale + random((high - low) * scale + 1)) / scale)
}
function row(region, indicator, v) { print office ":" n "|" dataset "|" period "|" action "|" region "|" indicator "|" v }
function each(list,    i) { return split(list, at, " ") }
function one_report(what,    i, k, tonnes, people) {
        n++
        k = each(leaves)
        for (i = 1; i <= k; i++) {
                if (dataset == "catch") {
                        row(at[i], "shark", figure(20, 90, 2))
                        row(at[i], "tuna", figure(100, 500, 2) (random(9) ? "" : "余"))
                        row(at[i], "longest_trip", (random(9) ? "" : "约") figure(0, 72, 1))
                } else if (dataset == "water") {
                        row(at[i], "used", figure(0, 9999, 1))
                        row(at[i], "temperature", figure(-3, 31, 0))
                } else if (dataset == "copra") {
                        row(at[i], "tonnes", tonnes = figure(-2, 40, 1))
                        row(at[i], "nuts", int((tonnes > 0 ? tonnes : 0) * 1000 + random(9999) + 1))
                } else
                        row(at[i], "oldest", figure(60, 110, 0))
        }
        if (dataset == "catch" && island)
                row(island, "boats", figure(0, 40, 0))
        k = each(villages)
        for (i = 1; i <= k; i++) {
                if (dataset == "water")
                        row(at[i], "tank_level", figure(-2, 12, 3))
                if (dataset == "census") {
                        row(at[i], "people", people = figure(0, 9000, 0))
                        row(at[i], "households", random(people + 1))
                }
        }
}
function reports(of, dataset_, list,    i, k, when) {
        dataset = dataset_
        k = split(list, when, " ")
        for (i = 1; i <= k; i++) {
                period = when[i]
                leaves = of == "north" ? "N.reef-1 N.lagoon/own N.shore" : of == "gov" ? "ATOLL" : of == "stations" ? "Outpost_7" : "S.kiosk S.main/own"
                if (of == "north" && period < "2022-07" && period !~ /^2022-H2|^2022$|-W/)
                        leaves = leaves " N.reef-2"
                one_report()
        }
}
function office_of(of) {
        office = of
        n = 0
        villages = of == "north" ? "N.lagoon N.shore" : of ~ /^south/ ? "S.shore" : ""
        island = of == "north" ? "N.main" : of ~ /^south/ ? "S.main" : ""
}
BEGIN {
        for (i = 0; i < 8; i++)
                random(2)
        action = "replace"
        weeks = "2023-W44 2023-W45 2023-W46 2023-W47 2023-W48 2023-W49 2023-W50 2023-W51 2023-W52 2024-W01 2024-W02"
        office_of("north")
        reports(office, "catch", "2020-W53 2021-W01 2022-W52 " weeks)
        reports(office, "water", "2022-05 2022-06 2022-07 2022-12 2023-01 2023-05 2023-06 2023-12 2024-01")
        reports(office, "copra", "2022-H1 2022-H2 2023-H1 2023-H2")
        reports(office, "census", "2021 2022 2023")
        office_of("gov")
        reports(office, "catch", "2022-W52 " weeks)
        reports(office, "water", "2022-06 2023-06")
        reports(office, "copra", "2023-H2")
        reports(office, "census", "2022")
        office_of("south-old")
        reports(office, "catch", "2020-W53 2021-W01")
        reports(office, "water", "2022-05 2022-06 2022-12")
        reports(office, "copra", "2022-H2")
        reports(office, "census", "2021 2022")
        office_of("south")
        reports(office, "catch", weeks)
        reports(office, "water", "2023-01 2023-05 2023-06 2024-01")
        reports(office, "copra", "2023-H1 2023-H2")
        reports(office, "census", "2023")
        office_of("stations")
        reports(office, "water", "2022-06 2022-12 2023-05 2023-06 2024-01")
}
