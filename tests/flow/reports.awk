# reports.awk: reports as an office makes them, with corrections, from a seed.
#
#   awk -v seed=N -v office=CODE -v regions="R R …" -v reports=N -v rows=FILE -f reports.awk    prints a report a line: JSON
#
# The rows go into FILE for plain.awk. Corrections are as likely as new figures, so that every action meets figures that
# stand, figures that were withdrawn, and none at all. Dataset, days and indicators are Inner Mongolia's.
function random(n) { # 0 … n-1; Park and Miller, exact in a double
        seed = seed * 16807 % 2147483647
        return int(seed / 2147483647 * n)
}
function pick(list, n) { return list[1 + random(n)] }
BEGIN {
        for (i = 0; i < 8; i++)
                random(2)
        n_regions = split(regions, region, " ")
        split("flow flow flow stock peak", kinds, " ")
        n_days = split("2023-09-18 2023-09-19 2023-09-30 2023-10-01 2023-12-31 2024-01-01", days, " ")
        n_daily = split("firearms_seized explosives_seized knives_seized", daily, " ")
        n_months = split("2023-08 2023-09 2023-10 2024-01", months, " ")
        n_monthly = split("activities visitors edition_years peak_day_visitors", monthly, " ")
        for (n = 1; n <= reports; n++) {
                monthly_one = random(3) == 0
                dataset = monthly_one ? "scipop" : "gunexp"
                period = monthly_one ? pick(months, n_months) : pick(days, n_days)
                action = random(10)
                action = action < 4 ? "replace" : action < 7 ? "merge" : action < 9 ? "add" : "withdraw"
                text = ""
                if (action == "withdraw")
                        print office ":" n "|" dataset "|" period "|withdraw|||" >rows
                else {
                        delete given
                        for (k = 1 + random(12); k > 0; k--) {
                                r = pick(region, n_regions)
                                # What is added to has to be a flow.
                                i = monthly_one ? monthly[1 + random(action == "add" ? 2 : n_monthly)] : pick(daily, n_daily)
                                if ((r, i) in given)
                                        continue
                                given[r, i] = 1
                                v = random(9) == 0 ? 0 : random(100000)
                                if (i == "explosives_seized")
                                        v = v "." random(10)
                                if (random(20) == 0)
                                        v = v "余"
                                else if (random(20) == 0)
                                        v = "约" v
                                print office ":" n "|" dataset "|" period "|" action "|" r "|" i "|" v >rows
                                text = text (text ? "," : "") "{\"region\":\"" r "\",\"indicator\":\"" i "\",\"value\":\"" v "\"}"
                        }
                }
                print "{\"dataset\":\"" dataset "\",\"period\":\"" period "\",\"action\":\"" action "\",\"rows\":[" text "]}"
        }
}
