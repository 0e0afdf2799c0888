#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/intake.h"
#include "lib/office_catalog.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A file is handed in; what became of it is compared as text:
 *
 *     gunexp 2023-09-19 replace
 *     150221 firearms_seized 12 exact :2
 *     2:region unknown_region
 *
 * a line for each report, each fact (with its row), each reason. */

static struct catalog *catalog;

static int set_up(void **state)
{
        (void)state;
        catalog = office_catalog();
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        catalog_free(catalog);
        return 0;
}

static void print_report(const struct intake_report *r, struct text *out)
{
        char label[PERIOD_TEXT];
        period_print(r->report.period, label);
        text_printf(out, "%s %s %s%s\n", catalog->datasets[r->report.dataset].code, label,
                    action_word(r->report.action), r->action_written ? " written" : "");
        for (size_t i = 0; i < r->report.n; i++) {
                const struct fact *f = &r->report.facts[i];
                text_printf(out, "%s%s %s ", catalog->regions[f->region].code, f->own ? "/own" : "",
                            catalog->indicators[f->indicator].code);
                text_scaled(out, f->value, catalog->indicators[f->indicator].decimals);
                text_printf(out, " %s :%u\n", qualifier_word((enum qualifier)f->q), r->rows[i]);
        }
        for (size_t i = 0; i < r->report.n_notes; i++) {
                const struct note *note = &r->report.notes[i];
                text_printf(out, "%s %s note %s\n", catalog->regions[note->region].code,
                            catalog->indicators[note->indicator].code, note->text);
        }
        if (r->report.note)
                text_printf(out, "note %s\n", r->report.note);
}

static void print_intake(const struct intake *in, struct text *out)
{
        if (in->malformed.code)
                text_printf(out, "malformed %s\n", in->malformed.text);
        for (size_t i = 0; i < in->n && !in->reasons.total; i++)
                print_report(&in->reports[i], out);
        for (size_t i = 0; i < in->reasons.n; i++) {
                const struct reason *r = &in->reasons.v[i];
                if (r->row)
                        text_printf(out, "%u:", r->row);
                text_printf(out, "%s %s", r->column ? r->column : "-", reason_name(r->code));
                size_t args =
                    r->code == REASON_NOT_A_NUMBER ? 1 : REASON_ARGS; /* the advice is number's business */
                for (size_t k = 0; k < args && r->arg[k]; k++)
                        text_printf(out, " [%s]", r->arg[k]);
                text_char(out, '\n');
        }
}

static void compare(struct intake *in, const char *want)
{
        struct text got = {0};
        print_intake(in, &got);
        assert_string_equal(text_c(&got), want);
        text_close(&got);
        intake_close(in);
}

static void csv_of(const char *office, struct intake_hints hints, const char *file, const char *want)
{
        struct judge j = office_judge(catalog, office);
        struct intake in = {0};
        assert_true(intake_csv(&in, file, strlen(file), hints, &j));
        compare(&in, want);
}

static const struct intake_hints day = {"gunexp", "2023-09-19", NULL};

static void csv(const char *file, const char *want)
{
        csv_of("150200", day, file, want);
}

static void json(const char *body, const char *want)
{
        struct judge j = office_judge(catalog, "150200");
        struct intake in = {0};
        assert_true(intake_json(&in, body, strlen(body), &j));
        compare(&in, want);
}

/* What is taken */

static void long_form(void **state)
{
        (void)state;
        csv_of("150200", (struct intake_hints){0},
               "dataset,period,region,indicator,value,note,action\n"
               "gunexp,2023-09-19,150221,firearms_seized,12,,merge\n"
               "gunexp,2023-09-19,150221,explosives_seized,10.2万,大案,merge\n"
               "scipop,2023-09,包头市本级,visitors,5万余,,\n"
               "gunexp,2023-09-19,150222,gunexp.firearms_seized,-,没有,\n",
               "gunexp 2023-09-19 merge written\n"
               "150221 firearms_seized 12 exact :2\n"
               "150221 explosives_seized 102000 exact :3\n"
               "150221 explosives_seized note 大案\n"
               "scipop 2023-09 replace\n"
               "150200/own visitors 50000 at_least :4\n");
}

static void long_form_in_chinese_any_order(void **state)
{
        (void)state;
        csv_of("150200", (struct intake_hints){0},
               "\xef\xbb\xbf数值,指标,地区,时期,数 据 集\r\n"
               "\"1,234支\",收缴非法枪支,土默特右旗,2023年9月19日,枪爆物品打击整治\r\n"
               "7,督察天数,包头市,2023年第三季度,法治督察\r\n",
               "gunexp 2023-09-19 replace\n"
               "150221 firearms_seized 1234 exact :2\n"
               "lawinsp 2023-Q3 replace\n"
               "150200 days 7 exact :3\n");
        csv("Region,INDICATOR,Value\n150221,Illegal firearms seized,1\n",
            "gunexp 2023-09-19 replace\n150221 firearms_seized 1 exact :2\n");
}

static void wide_form(void **state)
{
        (void)state;
        csv("包头市枪爆统计表,,,,\n"
            "填报单位：包头市,,,单位：支、公斤,\n"
            ",,,,\n"
            "地　区,收缴非法枪支（支）,explosives_seized [kg],\"发现\n安全隐患(处)\",备注\n"
            "昆都仑区,3,0.5,,夜间\n"
            "150221,,1.5,0,\n"
            "150200/own,4,,,\n"
            "合 计,7,2,,\n",
            "gunexp 2023-09-19 replace\n"
            "150200/own firearms_seized 4 exact :8\n"
            "150203 firearms_seized 3 exact :6\n"
            "150203 explosives_seized 0.5 exact :6\n"
            "150221 explosives_seized 1.5 exact :7\n"
            "150221 hazards_found 0 exact :7\n"
            "150203 firearms_seized note 夜间\n");
}

static void wide_form_of_several_periods(void **state)
{
        (void)state;
        csv_of("150200", (struct intake_hints){"scipop", "2023-01", "add"},
               "period,region,visitors\n"
               "2023-09,150221,1\n"
               ",150221,2\n"
               "2023/9,150222,3\n"
               ",合计,2\n"
               "2023-09,合计,4\n",
               "scipop 2023-09 add written\n"
               "150221 visitors 1 exact :2\n"
               "150222 visitors 3 exact :4\n"
               "scipop 2023-01 add written\n"
               "150221 visitors 2 exact :3\n");
}

static void wide_form_of_several_datasets(void **state)
{
        (void)state;
        csv_of("150200", (struct intake_hints){0},
               "dataset,period,region,督察发现问题,visitors,firearms_seized\n"
               "lawinsp,2023-Q3,150221,5,,\n"
               "scipop,2023-09,150221,,6,\n",
               "lawinsp 2023-Q3 replace\n150221 issues_found 5 exact :2\n"
               "scipop 2023-09 replace\n150221 visitors 6 exact :3\n");
        csv_of("150200", (struct intake_hints){0},
               "dataset,period,region,督察发现问题,visitors\n"
               "lawinsp,2023-Q3,150221,5,6\n",
               "2:visitors unknown_indicator [visitors]\n");
}

static void withdrawals(void **state)
{
        (void)state;
        const struct intake_hints hints = {"gunexp", "2023-09-19", "withdraw"};
        const char *want = "gunexp 2023-09-19 withdraw written\n";
        csv_of("150200", hints, "", want);
        csv_of("150200", hints, "region,indicator,value\n", want);
        csv_of("150200", hints, "region,indicator,value\n,,\n", want);
        csv_of("150200", (struct intake_hints){0}, "dataset,period,action\ngunexp,2023-09-19,撤回\n", want);
        csv_of("150200", hints, "region,indicator,value\n150221,firearms_seized,1\n",
               "action rows_with_withdraw\n");
        csv_of("150200", hints, "what,is,this\n1,2,3\n", "1:region missing_column [region]\n");
}

static void names_of_files(void **state)
{
        (void)state;
        struct intake_hints h;
        char room[256];
        assert_true(intake_name("inbox/gunexp_2023-09-19.csv", &h, room));
        assert_string_equal(h.dataset, "gunexp");
        assert_string_equal(h.period, "2023-09-19");
        assert_null(h.action);
        assert_true(intake_name("law_insp_2023-Q3_撤回.CSV", &h, room));
        assert_string_equal(h.dataset, "law_insp");
        assert_string_equal(h.period, "2023-Q3");
        assert_string_equal(h.action, "撤回");
        assert_true(intake_name("gunexp_2023-99.csv", &h, room));
        assert_false(intake_name("gunexp.csv", &h, room));
        assert_false(intake_name("gunexp_2023-09-19.xlsx", &h, room));
        assert_false(intake_name("_2023-09-19.csv", &h, room));
        assert_false(intake_name("gunexp_2023-09-19_final.csv", &h, room));
        assert_false(intake_name(".csv", &h, room));
}

static void json_form(void **state)
{
        (void)state;
        json("{\"rows\":[{\"region\":\"150221\",\"indicator\":\"firearms_seized\",\"value\":\"12\"},\n"
             "{\"value\":12.50,\"indicator\":\"explosives_seized\",\"region\":150221,\"note\":\"称重\"},"
             "{\"region\":\"150222\",\"indicator\":\"firearms_seized\",\"value\":null}],"
             "\"dataset\":\"gunexp\",\"note\":\"初报\",\"period\":\"2023-09-19\",\"action\":\"merge\"} ",
             "gunexp 2023-09-19 merge written\n"
             "150221 firearms_seized 12 exact :1\n"
             "150221 explosives_seized 12.5 exact :2\n"
             "150221 explosives_seized note 称重\n"
             "note 初报\n");
        json("[{\"dataset\":\"gunexp\",\"period\":\"2023-09-19\",\"action\":\"withdraw\"},"
             "{\"dataset\":\"scipop\",\"period\":\"2023-09\",\"rows\":[{\"region\":\"150221\",\"indicator\":"
             "\"visitors\","
             "\"value\":1}]}]",
             "gunexp 2023-09-19 withdraw written\nscipop 2023-09 replace\n150221 visitors 1 exact :1\n");
}

static void json_numbers_with_exponents(void **state)
{
        (void)state;
        json("{\"dataset\":\"gunexp\",\"period\":\"2023-09-19\",\"rows\":["
             "{\"region\":\"150221\",\"indicator\":\"firearms_seized\",\"value\":1.2e3},"
             "{\"region\":\"150222\",\"indicator\":\"firearms_seized\",\"value\":0.5E+1},"
             "{\"region\":\"150222\",\"indicator\":\"explosives_seized\",\"value\":1250e-2},"
             "{\"region\":\"150221\",\"indicator\":\"explosives_seized\",\"value\":5e-1}]}",
             "gunexp 2023-09-19 replace\n150221 firearms_seized 1200 exact :1\n"
             "150222 firearms_seized 5 exact :2\n150221 explosives_seized 0.5 exact :4\n"
             "150222 explosives_seized 12.5 exact :3\n");
        json("{\"dataset\":\"gunexp\",\"period\":\"2023-09-19\",\"rows\":["
             "{\"region\":\"150221\",\"indicator\":\"firearms_seized\",\"value\":1e31},"
             "{\"region\":\"150222\",\"indicator\":\"firearms_seized\",\"value\":1e16}]}",
             "1:value not_a_number [1e31]\n2:value too_large [10000000000000000]\n");
}

static void a_report_of_zeros(void **state)
{
        (void)state;
        struct judge j = office_judge(catalog, "150200");
        struct intake in = {0};
        assert_true(intake_nil(&in, (struct intake_hints){"lawinsp", "2023-Q3", NULL}, &j));
        compare(&in,
                "lawinsp 2023-Q3 replace\n150200/own days 0 exact :0\n150200/own issues_found 0 exact :0\n");
        assert_true(intake_nil(&in, (struct intake_hints){"lawinsp", "2023-09", NULL}, &j));
        compare(&in, "period wrong_period [2023-09] [quarter] [季]\n");
        assert_true(intake_nil(&in, (struct intake_hints){0}, &j));
        compare(&in, "dataset missing_column [dataset]\nperiod missing_column [period]\n");
}

/* What is refused, all at once */

static void rows_refused(void **state)
{
        (void)state;
        csv("region,indicator,value\n"
            "150299,firearms_seized,1\n"
            "150221,firearms_siezed,1\n"
            "150400,firearms_seized,1\n"
            "150221,firearms_seized,abc\n"
            "150221,firearms_seized,1.5\n"
            "150222,firearms_seized,-1\n"
            "新区,firearms_seized,1\n"
            "150221,rate,1\n"
            "150203,firearms_seized,1\n"
            "150203,firearms_seized,1\n"
            "150221,hazards_found,\"3,73\"\n"
            ",hazards_found,3\n"
            "150221,,3\n",
            "2:region unknown_region [150299] [150291]\n"
            "3:indicator unknown_indicator [firearms_siezed] [firearms_seized]\n"
            "4:region foreign_region [150400] [150200]\n"
            "5:value not_a_number [abc]\n"
            "6:value too_precise [1.5] [0]\n"
            "7:value below_min [-1] [0] [firearms_seized, 150222]\n"
            "8:region ambiguous_name [新区] [150291]\n"
            "9:indicator derived_given [rate]\n"
            "11:region duplicate_row [firearms_seized] [150203] [10]\n"
            "12:value not_a_number [3,73]\n"
            "13:region unknown_region []\n"
            "14:indicator unknown_indicator []\n");
}

static void scopes_refused(void **state)
{
        (void)state;
        const struct intake_hints none = {0};
        csv_of(
            "150200", none, "region,indicator,value\n150221,firearms_seized,x\n",
            "1:dataset missing_column [dataset] [or give it with the file, or in its name: "
            "DATASET_PERIOD.csv\n"
            "或随文件给出，或写入文件名：数据集_时期.csv]\n"
            "1:period missing_column [period] [or give it with the file, or in its name: DATASET_PERIOD.csv\n"
            "或随文件给出，或写入文件名：数据集_时期.csv]\n"
            "2:value not_a_number [x]\n");
        csv_of("150200", none,
               "数据集,时期,地区,指标,数值,操作\n"
               "gunexq,2023-09-19,150221,firearms_seized,1,\n"
               "gunexp,2023-09,150221,firearms_seized,1,\n"
               "gunexp,2024-01-01,150221,firearms_seized,1,\n"
               "gunexp,2023-09-19,150221,firearms_seized,1,add\n"
               "gunexp,2023-09-19,150222,firearms_seized,1,replace\n"
               "gunexp,2023-09-20,150221,firearms_seized,1,update\n"
               ",,150221,firearms_seized,1,\n",
               "2:数据集 unknown_dataset [gunexq] [gunexp]\n"
               "3:时期 wrong_period [2023-09] [day] [日]\n"
               "4:时期 future_period [2024-01-01]\n"
               "6:操作 mixed_action [replace] [add]\n"
               "7:操作 unknown_action [update]\n"
               "8:数据集 unknown_dataset []\n"
               "8:时期 wrong_period []\n");
        csv_of("150200", (struct intake_hints){"gunexq", "2023-09-19", "xx"},
               "region,indicator,value\n150221,firearms_seized,1\n150222,firearms_seized,1\n",
               "dataset unknown_dataset [gunexq] [gunexp]\n");
        csv_of("150400", (struct intake_hints){"scipop", "2023-09", NULL},
               "region,indicator,value\n150402,visitors,1\n", "dataset foreign_dataset [scipop] [150400]\n");
        csv_of("150200", (struct intake_hints){"lawinsp", "2023-Q3", "add"},
               "region,days,teams\n150221,1,\n150200,2,3\n",
               "2:region wrong_level [days] [league] [150221]\n3:teams add_not_flow [teams]\n");
}

/* A hint that is not needed is not judged. */
static void columns_go_before_hints(void **state)
{
        (void)state;
        csv_of("150200", (struct intake_hints){"report", "2023", NULL},
               "dataset,period,region,visitors\nscipop,2023-09,150221,1\n",
               "scipop 2023-09 replace\n150221 visitors 1 exact :2\n");
}

static void headers_refused(void **state)
{
        (void)state;
        csv("region,indicator,amount\n150221,firearms_seized,1\n",
            "1:value missing_column [value]\n1:amount unknown_column [amount]\n");
        csv("标题\n\nregion,indicater,value\n150221,firearms_seized,1\n",
            "3:indicator missing_column [indicator]\n3:indicater unknown_column [indicater] [indicator]\n");
        csv("region,indicator,value,remark\n150221,firearms_seized,1,x\n",
            "1:remark unknown_column [remark]\n");
        csv("region,firearms_siezed\n150221,1\n",
            "1:firearms_siezed unknown_column [firearms_siezed] [firearms_seized]\n");
        csv("region,firearms_seized,收缴炸药（吨）,visitors\n150221,1,2,3\n",
            "1:visitors unknown_column [visitors]\n1:收缴炸药（吨） unknown_column [收缴炸药（吨）] "
            "[收缴炸药]\n");
        csv("indicator,value\nfirearms_seized,1\n", "1:region missing_column [region]\n");
        csv("1,2\n3,4\n", "1:region missing_column [region]\n");
        csv("region,indicator,value,\n150221,firearms_seized,3,739\n150222,firearms_seized,1,,5\n",
            "2:#4 unknown_column [#4]\n3:#5 unknown_column [#5]\n");
}

static void files_refused(void **state)
{
        (void)state;
        csv("", "- empty_file\n");
        csv(" \n\r\n,,\n", "- empty_file\n");
        csv("region,indicator,value\n", "- no_rows\n");
        csv("region,indicator,value\n150221,firearms_seized,\n", "- no_rows\n");
        csv("region,indicator,value\n150221,firearms_seized,\xff\n", "2:- encoding [UTF-8]\n");
        csv("region,indicator,value\n150299,firearms_seized,1\n150221,firearms_seized,\"1\n",
            "2:region unknown_region [150299] [150291]\n"
            "3:- encoding [CSV: a quotation mark stands where none may, or one is not "
            "closed\nCSV：引号位置不对或没有成对]\n");
        struct judge j = office_judge(catalog, "150200");
        struct intake in = {0};
        assert_true(intake_csv(&in, "", (size_t)INTAKE_BYTES + 1, day, &j));
        compare(&in, "- file_too_large [64 MiB]\n");
}

static void totals(void **state)
{
        (void)state;
        csv("地区,firearms_seized,explosives_seized,rate\n"
            "小计,,,\n"
            "150221,1,0.5,\n150222,2,,\n小计,3,0.4,\n150203,4,,\n小计,5,,\n合计,8,,99\n总计,7,0.5,\n",
            "5:explosives_seized sum_differs [0.4] [0.5]\n"
            "7:firearms_seized sum_differs [5] [4]\n"
            "8:firearms_seized sum_differs [8] [7]\n");
        csv("地区,firearms_seized\n合计,3\n150221,1\n150222,2\n",
            "gunexp 2023-09-19 replace\n150221 firearms_seized 1 exact :3\n150222 firearms_seized 2 exact "
            ":4\n");
        csv("地区,firearms_seized\n小计,3\n150221,1\n150222,2\n小计,5\n150203,4\n合计,7\n",
            "5:firearms_seized sum_differs [5] [4]\n");
        csv("region,indicator,value\n合计,firearms_seized,4\n150221,firearms_seized,1\n总计,hazards_found,"
            "2\n",
            "2:value sum_differs [4] [1]\n4:value sum_differs [2] [0]\n");
        csv_of("150200", (struct intake_hints){"scipop", "2023-09", NULL},
               "地区,visitors,peak_visitors\n150221,500余,300\n150222,12,400\n总计,600,400\n合计,511,700\n",
               "5:peak_visitors sum_differs [700] [400]\n5:visitors sum_differs [511] [512]\n");
        csv_of("150200", (struct intake_hints){"scipop", NULL, NULL},
               "period,region,visitors\n2023-08,150221,1\n2023-09,150221,2\n2023-09,小计,2\n合计,,4\n",
               "5:visitors sum_differs [4] [3]\n");
}

static void json_refused(void **state)
{
        (void)state;
        json("{\"dataset\":\"gunexp\",\"period\":\"2023-09-19\",\"rows\":["
             "{\"region\":\"150299\",\"indicator\":\"firearms_seized\",\"value\":1},"
             "{\"region\":\"150221\",\"indicator\":\"firearms_seized\",\"valeu\":1},"
             "{\"region\":\"150221\",\"indicator\":\"firearms_seized\",\"value\":true},"
             "{\"region\":\"150221\",\"indicator\":\"firearms_seized\",\"value\":1e99},"
             "{\"indicator\":\"firearms_seized\",\"value\":2}],\"office\":{\"a\":[1]}}",
             "office unknown_column [office]\n"
             "1:region unknown_region [150299] [150291]\n"
             "2:value missing_column [value]\n"
             "2:valeu unknown_column [valeu] [value]\n"
             "3:value not_a_number [true]\n"
             "4:value not_a_number [1e99]\n"
             "5:region missing_column [region]\n");
        json("{\"dataset\":\"gunexp\",\"rows\":[]}", "period missing_column [period]\n");
        json("{\"dataset\":\"gunexp\",\"period\":\"2023-09-19\",\"rows\":[]}", "- no_rows\n");
        json("{\"dataset\":\"gunexp\",\"period\":\"2023-09-19\",\"action\":\"undo\"}",
             "action unknown_action [undo]\n");
        json("[]", "- no_rows\n");
        json(" ", "- empty_file\n");
        json("{\"a\xff\":1}", "1:- encoding [UTF-8]\n");
        json("{\"dataset\":\"gunexp\",\n\"dataset\":\"gunexp\"}",
             "malformed line 2, byte 11: a key is given twice\n");
        json("{\"dataset\":\"gunexp\",}", "malformed line 1, byte 21: a comma too many\n");
        json("{\"dataset\":[]}", "malformed line 1, byte 12: a string, a number or null is expected\n");
        json("{\"rows\":{}}", "malformed line 1, byte 9: rows is an array\n");
        json("{\"rows\":[1]}", "malformed line 1, byte 10: a row is an object\n");
        json("{\"x\":01}", "malformed line 1, byte 6: not JSON\n");
        json("{} x", "malformed line 1, byte 4: something follows the end\n");
        json("12", "malformed line 1, byte 1: a report is an object\n");
}

/* A catalogue of n townships for one indicator each. */
static struct catalog *wide_country(int n)
{
        struct text regions = {0};
        text_add(&regions, "code,parent,level,name_zh,name_en\nR,,region,某地,Somewhere\n");
        for (int i = 0; i < n; i++)
                text_printf(&regions, "T%d,R,town,某镇%d,Town %d\n", i, i, i);
        static const char about[] =
            "name_zh: 某地\nname_en: Somewhere\nversion: '1'\nroot: R\ntimezone: Asia/Shanghai\n",
                          datasets[] = "- code: d\n  name_zh: 表\n  name_en: Form\n  every: day\n  due: 1d\n",
                          indicators[] =
                              "code,dataset,kind,unit_zh,unit_en,decimals,min,max,name_zh,name_en,formula\n"
                              "found,d,flow,处,places,0,,,发现,Found,\n",
                          offices[] = "code,region,datasets,name_zh,name_en\no,R,*,甲办,Office\n";
        struct catalog_file files[] = {{"catalog.yaml", about, sizeof about - 1},
                                       {"regions.csv", text_c(&regions), regions.n},
                                       {"datasets.yaml", datasets, sizeof datasets - 1},
                                       {"indicators.csv", indicators, sizeof indicators - 1},
                                       {"offices.csv", offices, sizeof offices - 1}};
        struct faults faults = {0};
        struct catalog *c = catalog_parse(files, sizeof files / sizeof *files, &faults);
        assert_non_null(c);
        faults_close(&faults);
        text_close(&regions);
        return c;
}

static void as_many_rows_as_fit(void **state)
{
        (void)state;
        struct catalog *c = wide_country(REPORT_ROWS + 1);
        struct judge j = {.catalog = c, .today = day_of(2023, 12, 31)};
        struct intake_hints hints = {"d", "2023-09-19", NULL};
        struct text body = {0};
        text_add(&body, "region,found\n");
        for (int i = 0; i < REPORT_ROWS; i++)
                text_printf(&body, "T%d,%d\n", REPORT_ROWS - i, i);
        struct intake in = {0};
        assert_true(intake_csv(&in, text_c(&body), body.n, hints, &j));
        assert_int_equal(in.reasons.total, 0);
        assert_int_equal(in.reports[0].report.n, REPORT_ROWS);
        for (uint32_t i = 0; i < REPORT_ROWS; i++)
                assert_int_equal(in.reports[0].rows[i], REPORT_ROWS + 1 - i);
        intake_close(&in);

        text_add(&body, "T0,1\n");
        assert_true(intake_csv(&in, text_c(&body), body.n, hints, &j));
        compare(&in, "- report_too_large [20001 rows\n20001 行] [20000 rows\n20000 行]\n");
        text_close(&body);
        catalog_free(c);
}

/* A bad file of a million rows is told in time: wrong names are not searched for again and again. */
static void wrong_names_are_cheap(void **state)
{
        (void)state;
        struct text body = {0};
        text_add(&body, "region,indicator,value\n");
        for (int i = 0; i < 100000; i++)
                text_printf(&body, "15x%d,firearms_siezed%d,1\n", i, i);
        struct judge j = office_judge(catalog, "150200");
        struct intake in = {0};
        assert_true(intake_csv(&in, text_c(&body), body.n, day, &j));
        assert_int_equal(in.reasons.total, 200000);
        assert_int_equal(in.reasons.n, REASONS_KEPT);
        intake_close(&in);
        text_close(&body);
}

/* A file that is refused in any case is not read to its end. */
static void reading_stops(void **state)
{
        (void)state;
        struct judge j = office_judge(catalog, "150200");
        struct intake in = {0};
        struct text body = {0};
        text_add(&body, "地区,firearms_seized\n");
        for (int i = 0; i < 3 * REPORT_ROWS; i++)
                text_add(&body, "150221,1\n");
        text_add(&body, "150221,never read\n合计,1\n");
        assert_true(intake_csv(&in, text_c(&body), body.n, day, &j));
        assert_int_equal(in.reasons.total,
                         2 * REPORT_ROWS); /* all but the first come twice, and one is too many */
        bool large = false;
        for (size_t i = 0; i < in.reasons.n; i++)
                large |= in.reasons.v[i].code == REASON_REPORT_TOO_LARGE &&
                         in.reasons.v[i].row == 2 * REPORT_ROWS + 2;
        assert_true(large);
        intake_close(&in);

        text_clear(&body);
        text_add(&body, "[{\"dataset\":\"gunexp\",\"period\":\"2023-09-19\",\"rows\":[");
        for (int i = 0; i < 3 * REPORT_ROWS; i++)
                text_add(&body, "{\"region\":\"150221\",\"indicator\":\"firearms_seized\",\"value\":1},");
        text_add(&body, "{\"region\":\"150221\",\"indicator\":\"firearms_seized\",\"value\":1}]}, {}]");
        assert_true(intake_json(&in, text_c(&body), body.n, &j));
        assert_int_equal(in.malformed.code, 0);
        assert_int_equal(in.reasons.total, 2 * REPORT_ROWS);
        intake_close(&in);
        text_close(&body);
}

/* What would stand */

static void judged_with_places(void **state)
{
        (void)state;
        struct judge j = office_judge(catalog, "150200");
        struct intake in = {0};
        const char *file = "地区,firearms_seized,hazards_found,hazards_fixed\n"
                           "150200,5,1,\n150221,x,1,2\n150222,,3,4\n";
        assert_true(intake_csv(&in, file, strlen(file), day, &j));
        struct standing after = {0};
        assert_true(standing_fold(&after, in.reports[0].report.action, in.reports[0].report.facts,
                                  in.reports[0].report.n));
        assert_true(intake_judge(&in, 0, &after, &j, NULL));
        compare(&in, "3:firearms_seized not_a_number [x]\n"
                     "3:地区 overlap [hazards_found] [150221] [150200]\n"
                     "4:地区 overlap [hazards_found] [150222] [150200]\n");
        standing_close(&after);

        file = "地区,firearms_seized,hazards_found,hazards_fixed\n150221,100001,1,2\n";
        assert_true(intake_csv(&in, file, strlen(file), day, &j));
        assert_true(standing_fold(&after, in.reports[0].report.action, in.reports[0].report.facts,
                                  in.reports[0].report.n));
        struct reasons flags = {0};
        assert_true(intake_judge(&in, 0, &after, &j, &flags));
        assert_int_equal(flags.n, 2);
        standing_close(&after);
        reasons_close(&flags);
        compare(&in, "- rule [fixed_le_found] [More rectified than found\n整改多于发现] [150200]\n"
                     "2:- rule [fixed_le_found] [More rectified than found\n整改多于发现] [150221]\n");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(long_form),
            cmocka_unit_test(long_form_in_chinese_any_order),
            cmocka_unit_test(wide_form),
            cmocka_unit_test(wide_form_of_several_periods),
            cmocka_unit_test(wide_form_of_several_datasets),
            cmocka_unit_test(withdrawals),
            cmocka_unit_test(names_of_files),
            cmocka_unit_test(json_form),
            cmocka_unit_test(json_numbers_with_exponents),
            cmocka_unit_test(a_report_of_zeros),
            cmocka_unit_test(rows_refused),
            cmocka_unit_test(scopes_refused),
            cmocka_unit_test(columns_go_before_hints),
            cmocka_unit_test(headers_refused),
            cmocka_unit_test(files_refused),
            cmocka_unit_test(totals),
            cmocka_unit_test(json_refused),
            cmocka_unit_test(as_many_rows_as_fit),
            cmocka_unit_test(wrong_names_are_cheap),
            cmocka_unit_test(reading_stops),
            cmocka_unit_test(judged_with_places),
        };
        return cmocka_run_group_tests(tests, set_up, tear_down);
}
