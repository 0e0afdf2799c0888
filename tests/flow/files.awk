# files.awk: rows (see plain.awk) become the files that an office hands in, each report in another way.
#
#   awk -v catalog=DIR -v out=FOLDER -v how="long wide json" -f files.awk ROWS…
#
# Makes FOLDER/NNNN/DATASET_PERIOD_ACTION.csv or .json, a folder for each report, numbered in their order; `how` goes round.
BEGIN {
        FS = ","
        while ((getline <(catalog "/indicators.csv")) > 0)
                title[$2 "." $1] = $9 "（" $4 "）"
        FS = "|"
        n_ways = split(how, way, " ")
}
function flush(    i, j, line, folder, file, kind) {
        if (!n)
                return
        kind = action == "withdraw" ? "json" : way[made % n_ways + 1]
        folder = sprintf("%s/%04d", out, ++made)
        file = folder "/" dataset "_" period "_" action (kind == "json" ? ".json" : ".csv")
        system("mkdir -p " folder)
        if (kind == "json") {
                for (i = 1; i <= n_rows; i++)
                        line = line (i > 1 ? "," : "") "{\"region\":\"" region[i] "\",\"indicator\":\"" indicator[i] "\",\"value\":\"" v[i] "\"}"
                print "{\"dataset\":\"" dataset "\",\"period\":\"" period "\",\"action\":\"" action "\",\"rows\":[" line "]}" >file
        } else if (kind == "long") {
                print "region,indicator,value" >file
                for (i = 1; i <= n_rows; i++)
                        print region[i] "," indicator[i] "," v[i] >file
        } else {
                line = "地区"
                for (j = 1; j <= n_columns; j++)
                        line = line "," title[dataset "." column[j]]
                print line >file
                for (i = 1; i <= n_lines; i++) {
                        line = place[i]
                        for (j = 1; j <= n_columns; j++)
                                line = line "," cell[place[i], column[j]]
                        print line >file
                }
        }
        close(file)
        delete cell
        delete seen
        n = n_rows = n_columns = n_lines = 0
}
$1 != last {
        flush()
        last = $1
        dataset = $2
        period = $3
        action = $4
        n = 1
}
$5 != "" {
        region[++n_rows] = $5
        indicator[n_rows] = $6
        v[n_rows] = $7
        if (!seen["row", $5]++)
                place[++n_lines] = $5
        if (!seen["column", $6]++)
                column[++n_columns] = $6
        cell[$5, $6] = $7
}
END { flush() }
