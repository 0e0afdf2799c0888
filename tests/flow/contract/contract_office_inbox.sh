#!/bin/bash
# The folder a clerk drops files into: what is taken, what is left alone, what is rejected and how that is told.
. "$(dirname "$0")/lib.sh"
start_office 0 alpha
in=$run/inbox-0

drop() { # name, printf format of what is in it
        printf "$2" >"$in/.$1.new"
        mv "$in/.$1.new" "$in/$1"
}
is_done() { test -e "$in/done/$1"; }
is_rejected() { test -e "$in/rejected/$1" && test -e "$in/rejected/$1.errors.csv"; }
why() { tail -n +2 "$in/rejected/$1.errors.csv" | tr -d '\r'; }

# ---- the 1 GB file first: everything behind it must not wait for it
truncate -s 1G "$in/daily_2023-05-09.csv"
drop daily_2023-05-01.csv 'region,guns\nA1,12\nA2,3\n'
drop daily_2023-05-02_merge.csv 'region,guns\nA1,12\n'
drop daily_2023-05-03_add.CSV 'region,guns\nA1,12\n'
drop daily_2023-05-04_合并.csv '地区,枪支\n东旗,12\n'
drop '五月 五日.csv' '数据集,时期,地区,指标,数值,备注\n每日查缴,2023年5月5日,东旗,枪支,5万余,估计\n'
printf '地区,枪支\n东旗,12\n' | iconv -t gb18030 >"$in/.gb"
mv "$in/.gb" "$in/daily_2023-05-06.csv"
drop several.csv 'dataset,period,region,indicator,value\ndaily,2023-05-07,A1,guns,1\nmonthly,2023-05,A1,staff,2\n'
drop report.json '{"dataset":"daily","period":"2023-05-08","rows":[{"region":"A1","indicator":"guns","value":1}]}'
drop daily_2023-05-11.csv 'region,guns\nA1,x\nA9,3\n'
drop daily_2023-05-12.csv ''
drop daily_2023-05-13.csv 'region,guns\n'
drop daily_2023-05-32.csv 'region,guns\nA1,1\n'
drop undated.csv 'region,guns\nA1,1\n'
drop half.csv 'dataset,period,region,indicator,value\ndaily,2023-05-14,A1,guns,1\ndaily,2023-05-15,A1,guns,x\n'
drop broken.json '{"dataset":"daily"'
drop daily_2023-05-16.csv.part 'region,guns\nA1,1\n'
drop daily_2023-05-16.tmp 'region,guns\nA1,1\n'
drop .daily_2023-05-16.csv 'region,guns\nA1,1\n'
mkdir "$in/folder.csv"
ln -s /etc/passwd "$in/link.csv"
mkfifo "$in/pipe.csv"
exec 9>"$in/daily_2023-05-17.csv" # a file that someone is still writing
printf 'region,guns\nA1,1' >&9

for f in daily_2023-05-01.csv daily_2023-05-02_merge.csv daily_2023-05-03_add.CSV daily_2023-05-04_合并.csv '五月 五日.csv' \
        daily_2023-05-06.csv several.csv report.json; do
        until_true "$f is taken" is_done "$f"
done
reject() { # file, row, column, code
        until_true "$1 is rejected" is_rejected "$1"
        is "$1: the header" 'row,column,code,message' "$(head -n 1 "$in/rejected/$1.errors.csv" | tr -d '\r')"
        holds "$1: $4" "$(why "$1")" "^$2,$3,$4,"
}
reject daily_2023-05-09.csv '' '' file_too_large
is "not read, not copied" 1073741824 "$(stat -c %s "$in/rejected/daily_2023-05-09.csv")"
reject daily_2023-05-11.csv 2 guns not_a_number
reject daily_2023-05-11.csv 3 region unknown_region
reject daily_2023-05-12.csv '' '' empty_file
reject daily_2023-05-13.csv '' '' no_rows
reject daily_2023-05-32.csv '' period wrong_period
reject undated.csv 1 dataset missing_column
reject undated.csv 1 period missing_column
reject half.csv 3 value not_a_number
reject broken.json '' '' encoding

http "$url/api/v1/reports?limit=100"
is "what was taken" '[["daily","2023-05-01","replace"],["daily","2023-05-02","merge"],["daily","2023-05-03","add"],["daily","2023-05-04","merge"],["daily","2023-05-05","replace"],["daily","2023-05-06","replace"],["daily","2023-05-07","replace"],["daily","2023-05-08","replace"],["monthly","2023-05","replace"]]' \
        "$(field '[.reports[]|[.dataset,.period,.action]]|sort')"
for f in daily_2023-05-16.csv.part daily_2023-05-16.tmp .daily_2023-05-16.csv folder.csv link.csv pipe.csv daily_2023-05-17.csv; do
        is "$f is left alone" yes "$([ -e "$in/$f" ] || [ -L "$in/$f" ] && echo yes)"
done
is "nothing else is left" 0 "$(find "$in" -maxdepth 1 -type f ! -name '*.part' ! -name '*.tmp' ! -name '.*' ! -name daily_2023-05-17.csv | wc -l)"
printf '7\n' >&9
exec 9>&-
until_true "a file is taken once its writer is gone" is_done daily_2023-05-17.csv
mv "$in/daily_2023-05-16.csv.part" "$in/daily_2023-05-16.csv"
until_true "a file is taken once it has its name" is_done daily_2023-05-16.csv

# ---- what would take standing figures back says so
drop daily_2023-05-01.csv 'region,guns\nA1,13\n'
reject daily_2023-05-01.csv '' '' would_withdraw
drop daily_2023-05-01_replace.csv 'region,guns\nA1,13\n'
until_true "with its action in the name it is taken" is_done daily_2023-05-01_replace.csv
drop written.csv 'dataset,period,region,indicator,value,action\ndaily,2023-05-01,A2,guns,4,replace\n'
until_true "with its action in a column too" is_done written.csv
drop daily_2023-05-01_withdraw.csv ''
until_true "a withdrawal of no bytes" is_done daily_2023-05-01_withdraw.csv
http "$url/api/v1/reports?dataset=daily&period=2023-05-01"
is "in the order they came" '[["withdraw",1],["replace",1],["replace",1],["replace",0]]' "$(field '[.reports[]|[.action,.withdrawn]]')"

# ---- the same name again, and the same file put back
drop daily_2023-05-11.csv 'region,guns\nA1,y\n'
until_true "a second file of a name is kept beside the first" test -e "$in/rejected/daily_2023-05-11.2.csv.errors.csv"
http "$url/api/v1/reports?limit=100"
before=$(field '.reports|length')
mv "$in/done/report.json" "$in/report.json"
until_true "a file that was taken is moved again" is_done report.json
http "$url/api/v1/reports?limit=100"
is "and not taken again" "$before" "$(field '.reports|length')"

# ---- found while the collector was away; in the language of the office
stop office-0
is "SIGTERM" 0 "$rc"
drop daily_2023-06-01.csv 'region,guns\nA1,1\n'
drop daily_2023-06-02.csv 'region,guns\nA1,无\n'
start office-0 "$COLLECTOR" --config "$run/office-0.yaml" --lang zh
until_up office-0 "$url"
until_true "taken at start" is_done daily_2023-06-01.csv
until_true "rejected at start" is_rejected daily_2023-06-02.csv
holds "in Chinese" "$(why daily_2023-06-02.csv)" '不是数值'
is "with the mark that spreadsheets need" 'efbbbf' "$(head -c 3 "$in/rejected/daily_2023-06-02.csv.errors.csv" | od -An -tx1 | tr -d ' \n')"
finish
