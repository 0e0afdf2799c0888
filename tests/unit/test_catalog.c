#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/catalog.h"
#include "lib/folder.h"

#include <stdlib.h>
#include <string.h>

/* A small folder in memory; the tests below change a line of it and look at what is said. */

enum { ABOUT_FILE, REGIONS, INDICATORS, DATASETS, OFFICES, RULES, FILES };

static const char *const names[FILES] = {"catalog.yaml",  "regions.csv", "indicators.csv",
                                         "datasets.yaml", "offices.csv", "rules.csv"};

static const char *const plain[FILES] = {
    [ABOUT_FILE] = "name_zh: 某地\nname_en: Somewhere\nversion: '1'\nroot: R\ntimezone: Asia/Shanghai\n",
    [REGIONS] = "code,parent,level,name_zh,name_en,valid_from,valid_to\n"
                "R,,region,某地,Somewhere,,\n"
                "A,R,city,甲市,City A,,\n"
                "B,R,city,乙市,City B,,\n"
                "A1,A,district,东区,East,,\n"
                "B1,B,district,东区,East,2020-01-01,2029-12-31\n",
    [INDICATORS] = "code,dataset,kind,unit_zh,unit_en,decimals,min,max,name_zh,name_en,formula,level\n"
                   "found,safety,flow,处,places,0,,,发现,Found,,\n"
                   "fixed,safety,flow,处,places,0,,,整改,Fixed,,\n"
                   "rate,safety,derived,%,%,1,,,整改率,Rate,100 * fixed / found,\n"
                   "people,census,stock,人,persons,0,,,人口,People,,city\n"
                   "weight,census,flow,吨,t,2,-1.5,99.25,重量,Weight,,\n",
    [DATASETS] =
        "- code: safety\n  name_zh: 安全\n  name_en: Safety\n  every: day\n  due: 1d12h\n"
        "- code: census\n  name_zh: 普查\n  name_en: Census\n  every: year\n  due: 30d\n  lock: 90d\n",
    [OFFICES] = "code,region,scope,datasets,name_zh,name_en,valid_from,valid_to\n"
                "oa,A,subtree,*,甲办,Office A,,\n"
                "ob,B,,safety;census,乙办,Office B,,\n"
                "or,R,self,census,本级,Own departments,,\n",
    [RULES] = "code,dataset,grade,check,message_zh,message_en\n"
              "fixed-found,safety,reject,fixed <= found,整改多于发现,More fixed than found\n",
};

/* The plain folder with `before` in file `which` replaced by `after` (the first time it stands there). */
static struct catalog *parse_with(int which, const char *before, const char *after, struct faults *faults)
{
        struct text changed = {0};
        struct catalog_file files[FILES];
        for (int i = 0; i < FILES; i++)
                files[i] = (struct catalog_file){names[i], plain[i], strlen(plain[i])};
        if (before) {
                const char *at = strstr(plain[which], before);
                assert_non_null(at);
                text_bytes(&changed, plain[which], (size_t)(at - plain[which]));
                text_add(&changed, after);
                text_add(&changed, at + strlen(before));
                files[which].bytes = text_c(&changed);
                files[which].n = changed.n;
        }
        struct catalog *c = catalog_parse(files, FILES, faults);
        text_close(&changed);
        return c;
}

/* "file:row:column:code" of each fault, one a line. */
static void list(const struct faults *f, struct text *out)
{
        for (size_t i = 0; i < f->n; i++) {
                const char *column = f->v[i].column ? f->v[i].column : "";
                text_printf(out, "%s%s:%u:%s:%s", i ? " " : "", f->v[i].file, f->v[i].row, column,
                            f->v[i].code);
        }
}

static void every_fault_has_its_place(void **state)
{
        (void)state;
        static const struct {
                int file;
                const char *before, *after, *want;
        } cases[] = {
            {ABOUT_FILE, "version: '1'\n", "", "catalog.yaml:1::missing_column"},
            {ABOUT_FILE, "version: '1'", "version: ''", "catalog.yaml:3:version:no_text"},
            {ABOUT_FILE, "timezone: Asia", "timezon: Asia",
             "catalog.yaml:5:timezon:unknown_column catalog.yaml:1::missing_column"},
            {ABOUT_FILE, "Asia/Shanghai", "../etc/passwd", "catalog.yaml:5:timezone:not_a_zone"},
            {ABOUT_FILE, "Asia/Shanghai", "/etc/passwd", "catalog.yaml:5:timezone:not_a_zone"},
            {ABOUT_FILE, "root: R", "root: Q", "catalog.yaml:4:root:root_differs"},
            {ABOUT_FILE, "root: R", "root: [R]", "catalog.yaml:4:root:yaml_shape"},

            {REGIONS, "A,R,city", "A A,R,city",
             "regions.csv:3:code:not_a_code regions.csv:5:parent:unknown_parent "
             "offices.csv:2:region:unknown_region"},
            {REGIONS, "B,R,city", "A,R,city",
             "regions.csv:4:code:duplicate_code regions.csv:6:parent:unknown_parent "
             "offices.csv:3:region:unknown_region"},
            {REGIONS, "A1,A,", "A1,Q,", "regions.csv:5:parent:unknown_parent"},
            {REGIONS, "A,R,city", "A,,city", "regions.csv:3:parent:second_root"},
            {REGIONS, "R,,region", "R,A,region", "regions.csv:2:parent:region_cycle regions.csv:0::no_root"},
            {REGIONS, "A,R,city", "A,A1,city", "regions.csv:3:parent:region_cycle"},
            {REGIONS, "A,R,city", "A,A,city", "regions.csv:3:parent:region_cycle"},
            {REGIONS, "A,R,city,", "A,R,,", "regions.csv:3:level:no_text"},
            {REGIONS, "甲市,City A", ",", "regions.csv:3:name_zh:no_text"},
            {REGIONS, "甲市", "\"甲\n市\"", "regions.csv:3:name_zh:bad_text"},
            {REGIONS, "2020-01-01", "2020-1-1", "regions.csv:6:valid_from:not_a_date"},
            {REGIONS, "2029-12-31", "2019-12-31", "regions.csv:6:valid_to:dates_reversed"},
            {REGIONS, "A1,A,district,东区,East,,", "A1,A,district,东区,East", "regions.csv:5::field_count"},
            {REGIONS, "level,name_zh", "levl,name_zh",
             "regions.csv:1:levl:unknown_column regions.csv:1:level:missing_column"},
            {REGIONS, "valid_from", "level", "regions.csv:1:level:duplicate_column"},
            {REGIONS, "东区", "东\"区", "regions.csv:5::csv"},
            {REGIONS, "东区", "\xb6\xab", "regions.csv:0::not_utf8"},

            {DATASETS, "code: census", "code: 2census",
             "datasets.yaml:6:code:not_a_name indicators.csv:5:dataset:unknown_dataset "
             "indicators.csv:6:dataset:unknown_dataset datasets.yaml:6:code:dataset_empty "
             "offices.csv:3:datasets:unknown_dataset offices.csv:4:datasets:unknown_dataset"},
            {DATASETS, "code: census", "code: safety",
             "datasets.yaml:6:code:duplicate_code indicators.csv:5:dataset:unknown_dataset "
             "indicators.csv:6:dataset:unknown_dataset datasets.yaml:6:code:dataset_empty "
             "offices.csv:3:datasets:unknown_dataset offices.csv:4:datasets:unknown_dataset"},
            {DATASETS, "every: day", "every: hour", "datasets.yaml:4:every:not_one_of"},
            {DATASETS, "every: day", "every: span", "datasets.yaml:4:every:not_one_of"},
            {DATASETS, "1d12h", "12h1d", "datasets.yaml:5:due:not_a_duration"},
            {DATASETS, "1d12h", "10", "datasets.yaml:5:due:not_a_duration"},
            {DATASETS, "1d12h", "100000d", "datasets.yaml:5:due:not_a_duration"},
            {DATASETS, "lock: 90d", "lock: 9d", "datasets.yaml:11:lock:lock_before_due"},
            {DATASETS, "lock: 90d", "since: 2020", "datasets.yaml:11:since:not_a_date"},
            {DATASETS, "  every: day\n", "", "datasets.yaml:1::missing_column"},
            {DATASETS, "lock: 90d", "lok: 90d", "datasets.yaml:11:lok:unknown_column"},
            {DATASETS, "lock: 90d", "lock: *due", "datasets.yaml:11:lock:yaml_shape"},
            {DATASETS, "lock: 90d", "lock: \"\\0\"", "datasets.yaml:11:lock:not_utf8"},

            {INDICATORS, "found,safety,flow", "fo-und,safety,flow",
             "indicators.csv:2:code:not_a_name indicators.csv:4:formula:formula rules.csv:2:check:formula"},
            {INDICATORS, "weight,census", "people,census", "indicators.csv:6:code:duplicate_code"},
            {INDICATORS, "weight,census", "weight,sensus", "indicators.csv:6:dataset:unknown_dataset"},
            {INDICATORS, "found,safety,flow", "found,safety,flaw", "indicators.csv:2:kind:not_one_of"},
            {INDICATORS, "吨,t,2", "吨,t,two", "indicators.csv:6:decimals:not_one_of"},
            {INDICATORS, "-1.5", "-1.555", "indicators.csv:6:min:not_a_bound"},
            {INDICATORS, "99.25", "约99", "indicators.csv:6:max:not_a_bound"},
            {INDICATORS, "99.25", "-2", "indicators.csv:6:max:bounds_reversed"},
            {INDICATORS, "吨,t", ",", "indicators.csv:6:unit_zh:no_text"},
            {INDICATORS, "100 * fixed / found", "100 * fixed / foud", "indicators.csv:4:formula:formula"},
            {INDICATORS, "100 * fixed / found", "", "indicators.csv:4:formula:formula_missing"},
            {INDICATORS, "100 * fixed / found", "\"lag(rate, 1)\"", "indicators.csv:4:formula:formula_cycle"},
            {INDICATORS, "发现,Found,", "发现,Found,fixed", "indicators.csv:2:formula:formula_given"},
            {INDICATORS, "People,,city", "People,,town", "indicators.csv:5:level:unknown_level"},
            {INDICATORS, "People,,city", "People,,", "indicators.csv:5:level:stock_without_level"},
            {INDICATORS, "整改,Fixed", "发现,Fixed", "indicators.csv:3:name_zh:same_name"},
            {INDICATORS, "derived,%,%,1,,", "derived,%,%,1,,100", "indicators.csv:4:max:bounds_of_derived"},

            {OFFICES, "oa,A,", "ob,A,", "offices.csv:3:code:duplicate_code"},
            {OFFICES, "oa,A,", "oa,C,", "offices.csv:2:region:unknown_region"},
            {OFFICES, "safety;census", "safty", "offices.csv:3:datasets:unknown_dataset"},
            {OFFICES, "safety;census", "", "offices.csv:3:datasets:no_datasets"},
            {OFFICES, "R,self", "R,selves",
             "offices.csv:4:scope:not_one_of offices.csv:4:region:scopes_overlap "
             "offices.csv:4:region:scopes_overlap"},
            {OFFICES, "R,self", "R,subtree",
             "offices.csv:4:region:scopes_overlap offices.csv:4:region:scopes_overlap"},
            {OFFICES, "or,R,self", "or,A1,self", "offices.csv:4:region:scopes_overlap"},
            {OFFICES, "or,R,self,census,本级,Own departments,,", "or,A1,self,census,本级,Own,2024-01-01,",
             "offices.csv:4:region:scopes_overlap"},
            {OFFICES, "oa,A,subtree,*", "oa,A,subtree,census", ""},
            {OFFICES, "Office B,,", "Office B,2024-02-30,", "offices.csv:3:valid_from:not_a_date"},

            {RULES, "fixed-found,", ",", "rules.csv:2:code:not_a_code"},
            {RULES, "reject", "refuse", "rules.csv:2:grade:not_one_of"},
            {RULES, "fixed <= found", "fixed + found", "rules.csv:2:check:formula"},
            {RULES, "fixed <= found", "\"fixed <= lag(found, 1)\"", "rules.csv:2:check:rule_looks_back"},
            {RULES, "fixed <= found", "fixed <= census.people", "rules.csv:2:check:rule_foreign"},
            {RULES, "fixed <= found", "rate <= 100", ""},
            {RULES, ",safety,reject", ",safely,reject", "rules.csv:2:dataset:unknown_dataset"},
            {RULES, "整改多于发现,More fixed than found", ",", "rules.csv:2:message_zh:no_text"},
        };
        unsigned wrong = 0;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct faults faults = {0};
                struct text found = {0};
                struct catalog *c = parse_with(cases[i].file, cases[i].before, cases[i].after, &faults);
                list(&faults, &found);
                if (strcmp(text_c(&found), cases[i].want) != 0) {
                        print_error("%s -> %s\n  said %s\n  want %s\n", cases[i].before, cases[i].after,
                                    text_c(&found), cases[i].want);
                        wrong++;
                }
                assert_true((c == NULL) == (faults.errors > 0));
                catalog_free(c);
                text_close(&found);
                faults_close(&faults);
        }
        assert_int_equal(wrong, 0);
}

static void all_faults_at_once(void **state)
{
        (void)state;
        const struct catalog_file files[] = {
            {"regions.csv", "code\nx\n", 7}, {"rules.csv", "", 0}, {"map.geojson", "?", 1}};
        struct faults faults = {0};
        struct text found = {0};
        assert_null(catalog_parse(files, 3, &faults));
        list(&faults, &found);
        assert_string_equal(text_c(&found),
                            "catalog.yaml:0::file_missing regions.csv:1:parent:missing_column "
                            "regions.csv:1:level:missing_column regions.csv:1:name_zh:missing_column "
                            "regions.csv:1:name_en:missing_column datasets.yaml:0::file_missing "
                            "indicators.csv:0::file_missing offices.csv:0::file_missing rules.csv:0::empty");
        text_close(&found);
        faults_close(&faults);
}

static void faults_read_well(void **state)
{
        (void)state;
        struct faults faults = {0};
        struct text en = {0}, zh = {0};
        assert_null(parse_with(INDICATORS, "weight,census", "weight,cencus", &faults));
        faults_lines(&faults, "catalog/x", LANG_EN, &en);
        assert_string_equal(text_c(&en),
                            "catalog/x/indicators.csv:6:dataset: no dataset is called \"cencus\"; did you "
                            "mean \"census\"? (unknown_dataset)\n");
        faults_lines(&faults, NULL, LANG_ZH, &zh);
        assert_string_equal(
            text_c(&zh),
            "indicators.csv:6:dataset: 没有名为“cencus”的数据集；是否为“census”？ (unknown_dataset)\n");
        text_close(&en);
        text_close(&zh);
        faults_close(&faults);
}

static void no_rules_is_fine(void **state)
{
        (void)state;
        struct catalog_file files[RULES];
        for (int i = 0; i < RULES; i++)
                files[i] = (struct catalog_file){names[i], plain[i], strlen(plain[i])};
        struct faults faults = {0};
        struct catalog *c = catalog_parse(files, RULES, &faults);
        assert_non_null(c);
        assert_int_equal(c->n_rules, 0);
        catalog_free(c);
        faults_close(&faults);
}

/* c0 hangs on A, each on the one before: with R and A, c29 is of level 32 and c30 one too deep. */
static void too_many_levels(void **state)
{
        (void)state;
        struct text rows = {0}, found = {0};
        for (int i = 0; i < 40; i++)
                text_printf(&rows, i ? "c%d,c%d,part,层,L%d,,\n" : "c%d,A,part,层,L%d,,\n", i, i ? i - 1 : i,
                            i);
        text_add(&rows, "A1,A,");
        struct faults faults = {0};
        assert_null(parse_with(REGIONS, "A1,A,", text_c(&rows), &faults));
        list(&faults, &found);
        assert_string_equal(text_c(&found), "regions.csv:35:parent:tree_deep");
        text_close(&rows);
        text_close(&found);
        faults_close(&faults);
}

/* d0 reads weight, d1 reads d0, … d8 is the ninth upon the other. */
static void too_deep(void **state)
{
        (void)state;
        struct text rows = {0}, found = {0};
        text_add(&rows, "d0,census,derived,吨,t,2,,,导0,D0,weight,\n");
        for (int i = 1; i < 9; i++)
                text_printf(&rows, "d%d,census,derived,吨,t,2,,,导%d,D%d,d%d + 1,\n", i, i, i, i - 1);
        text_add(&rows, "weight,census");
        struct faults faults = {0};
        assert_null(parse_with(INDICATORS, "weight,census", text_c(&rows), &faults));
        list(&faults, &found);
        assert_string_equal(text_c(&found), "indicators.csv:14:formula:formula_deep");
        text_close(&rows);
        text_close(&found);
        faults_close(&faults);
}

/* The invented catalogue */

static struct catalog *isles;

static int load_isles(void **state)
{
        (void)state;
        isles = folder_catalog("tests/catalogs/atoll");
        return 0;
}

static int free_isles(void **state)
{
        (void)state;
        catalog_free(isles);
        return 0;
}

static void parents_before_children(void **state)
{
        (void)state;
        static const char *const order[] = {"ATOLL",    "N",        "S",        "Outpost_7", "old-harbour",
                                            "N.main",   "S.main",   "N.lagoon", "N.shore",   "S.shore",
                                            "N.reef-1", "N.reef-2", "S.kiosk"};
        assert_int_equal(isles->n_regions, sizeof order / sizeof *order);
        for (uint32_t i = 0; i < isles->n_regions; i++) {
                const struct region *r = &isles->regions[i];
                assert_string_equal(r->code, order[i]);
                assert_int_equal(r->depth, i == 0 ? 0 : isles->regions[r->parent].depth + 1);
                for (uint32_t k = 0; k < r->children; k++)
                        assert_int_equal(isles->regions[r->first_child + k].parent, i);
        }
        assert_int_equal(isles->regions[0].parent, NONE);
        assert_int_equal(isles->regions[0].children, 4);
        assert_string_equal(isles->regions[12].name_zh, "礁, \"小\"");
}

static void regions_by_code_and_name(void **state)
{
        (void)state;
        bool own;
        int32_t north = catalog_office(isles, "north"), gov = catalog_office(isles, "gov");
        assert_int_equal(catalog_region(isles, "N.reef-1", NONE, &own),
                         catalog_region_code(isles, "N.reef-1"));
        assert_false(own);
        assert_int_equal(catalog_region(isles, "七号站", NONE, &own),
                         catalog_region_code(isles, "Outpost_7"));
        assert_int_equal(catalog_region(isles, "Station Seven", NONE, NULL),
                         catalog_region_code(isles, "Outpost_7"));

        assert_int_equal(catalog_region(isles, "主岛", NONE, &own), AMBIGUOUS);
        assert_int_equal(catalog_region(isles, "主岛", north, &own), catalog_region_code(isles, "N.main"));
        assert_int_equal(catalog_region(isles, "Shore", north, &own), catalog_region_code(isles, "N.shore"));
        assert_int_equal(catalog_region(isles, "主岛", gov, &own), AMBIGUOUS);
        assert_int_equal(catalog_region(isles, "老港", north, &own),
                         catalog_region_code(isles, "old-harbour"));
        assert_int_equal(catalog_region(isles, "新港", NONE, &own), NONE);
        assert_false(own);

        static const char *const own_forms[] = {"S.main/own", "S.main本级"};
        for (size_t i = 0; i < sizeof own_forms / sizeof *own_forms; i++) {
                assert_int_equal(catalog_region(isles, own_forms[i], NONE, &own),
                                 catalog_region_code(isles, "S.main"));
                assert_true(own);
        }
        assert_int_equal(catalog_region(isles, "主岛（本级）", north, &own),
                         catalog_region_code(isles, "N.main"));
        assert_true(own);
        assert_int_equal(catalog_region(isles, "本级", NONE, &own), NONE);
        assert_int_equal(catalog_region(isles, "/own", NONE, &own), NONE);
        assert_int_equal(catalog_region(isles, "", NONE, &own), NONE);
        assert_string_equal(catalog_near_region(isles, "Outpost7", NONE), "Outpost_7");
        assert_null(catalog_near_region(isles, "completely different", NONE));
}

static void indicators_by_code_and_name(void **state)
{
        (void)state;
        int32_t catches = catalog_dataset(isles, "catch"), water = catalog_dataset(isles, "water");
        int32_t tuna = catalog_indicator(isles, NONE, "catch.tuna");
        assert_string_equal(isles->indicators[tuna].name, "catch.tuna");
        assert_int_equal(catalog_indicator(isles, NONE, "tuna"), tuna);
        assert_int_equal(catalog_indicator(isles, catches, "tuna"), tuna);
        assert_int_equal(catalog_indicator(isles, catches, "catch.tuna"), tuna);
        assert_int_equal(catalog_indicator(isles, catches, "金枪鱼"), tuna);
        assert_int_equal(catalog_indicator(isles, NONE, "Tuna landed"), tuna);
        assert_int_equal(catalog_indicator(isles, water, "tuna"), NONE);
        assert_int_equal(catalog_indicator(isles, water, "catch.tuna"), NONE);
        assert_int_equal(catalog_indicator(isles, NONE, "tuna\x1f"), NONE);
        assert_int_equal(catalog_dataset(isles, "Catch"), NONE);
        assert_string_equal(catalog_near_indicator(isles, catches, "sharks"), "shark");
        assert_string_equal(catalog_near_dataset(isles, "cath"), "catch");
        assert_int_equal(isles->datasets[water].n_indicators, 4);
        assert_string_equal(isles->indicators[isles->datasets[water].indicators[0]].code, "tank_level");
}

static void values_are_scaled(void **state)
{
        (void)state;
        const struct indicator *tank = &isles->indicators[catalog_indicator(isles, NONE, "tank_level")];
        assert_true(tank->has_min && tank->has_max);
        assert_int_equal(tank->min, -2500);
        assert_int_equal(tank->max, 12000);
        assert_string_equal(tank->level, "village");
        const struct indicator *tuna = &isles->indicators[catalog_indicator(isles, NONE, "tuna")];
        assert_true(tuna->has_min && tuna->min == 0 && tuna->max == 50025);
        assert_false(isles->indicators[catalog_indicator(isles, NONE, "temperature")].has_min);
        const struct dataset *catches = &isles->datasets[catalog_dataset(isles, "catch")];
        assert_int_equal(catches->every, PERIOD_WEEK);
        assert_int_equal(catches->due_s, (2 * 24 + 12) * 3600);
        assert_int_equal(catches->lock_s, 30 * 86400);
        const struct dataset *water = &isles->datasets[catalog_dataset(isles, "water")];
        assert_int_equal(water->lock_s, NONE);
        assert_int_equal(water->since, day_of(2019, 1, 1));
}

static void scopes(void **state)
{
        (void)state;
        uint32_t gov = (uint32_t)catalog_office(isles, "gov"),
                 north = (uint32_t)catalog_office(isles, "north");
        uint32_t root = 0, reef = (uint32_t)catalog_region_code(isles, "N.reef-1");
        uint32_t kiosk = (uint32_t)catalog_region_code(isles, "S.kiosk");
        assert_true(catalog_in_scope(isles, gov, root));
        assert_false(catalog_in_scope(isles, gov, reef));
        assert_true(catalog_in_scope(isles, north, reef));
        assert_false(catalog_in_scope(isles, north, kiosk));
        assert_true(catalog_is_under(isles, kiosk, root));
        assert_false(catalog_is_under(isles, root, kiosk));
        uint32_t stations = (uint32_t)catalog_office(isles, "stations");
        assert_true(catalog_answers(isles, stations, (uint32_t)catalog_dataset(isles, "water")));
        assert_false(catalog_answers(isles, stations, (uint32_t)catalog_dataset(isles, "catch")));
        const struct office *old = &isles->offices[catalog_office(isles, "south-old")];
        struct period p;
        assert_true(period_parse("2022", &p) && catalog_valid(old->valid_from, old->valid_to, p));
        assert_true(period_parse("2022-W52", &p) &&
                    catalog_valid(old->valid_from, old->valid_to, p)); /* ends 2023 */
        assert_true(period_parse("2023", &p) && !catalog_valid(old->valid_from, old->valid_to, p));
}

/* A1 moved from A to B and kept its code, as districts do. */
static void digits_say_nothing(void **state)
{
        (void)state;
        struct faults faults = {0};
        struct catalog *c = parse_with(REGIONS, "A1,A,", "A1,B,", &faults);
        assert_non_null(c);
        uint32_t moved = (uint32_t)catalog_region_code(c, "A1");
        assert_false(catalog_in_scope(c, (uint32_t)catalog_office(c, "oa"), moved));
        assert_true(catalog_in_scope(c, (uint32_t)catalog_office(c, "ob"), moved));
        catalog_free(c);
        faults_close(&faults);
}

static void pack_round_trip(void **state)
{
        (void)state;
        struct faults faults = {0};
        struct catalog *again = catalog_unpack(isles->pack.v, isles->pack.n, &faults);
        assert_non_null(again);
        assert_memory_equal(again->digest, isles->digest, CATALOG_DIGEST);
        assert_int_equal(again->n_regions, isles->n_regions);
        catalog_free(again);
        for (size_t n = 0; n < isles->pack.n; n++)
                assert_null(catalog_unpack(isles->pack.v, n, &faults));
        faults_close(&faults);
}

/* Blocks */

static const char *blocks(int file, const char *before, const char *after, const char *region,
                          const char *indicator, const char *office, const char *period)
{
        static char room[256];
        struct faults faults = {0};
        struct catalog *now = parse_with(0, NULL, NULL, &faults),
                       *next = parse_with(file, before, after, &faults);
        struct period p;
        assert_non_null(now);
        assert_non_null(next);
        assert_true(period_parse(period, &p));
        const char *why = catalog_blocks(
            now, next, (uint32_t)catalog_office(now, office), (uint32_t)catalog_region_code(now, region),
            (uint32_t)catalog_indicator(now, NONE, indicator), p, room, sizeof room);
        catalog_free(now);
        catalog_free(next);
        faults_close(&faults);
        return why ? why : "nothing";
}

static void what_stands_in_the_way(void **state)
{
        (void)state;
        static const struct {
                int file;
                const char *before, *after, *want;
        } cases[] = {
            {ABOUT_FILE, "'1'", "'2'", "nothing"},
            {REGIONS, "A1,A,", "A9,A,", "region A1 is no longer in the catalogue"},
            {REGIONS, "A1,A,", "A1,B,", "region A1 is under A, it would be under B"},
            {REGIONS, "A,R,city", "M,R,part,中,Middle,,\nA,M,city",
             "region A is under R, it would be under M"},
            {REGIONS, "A1,A,district,东区,East,,", "A1,A,district,东区,East,,2023-09-18",
             "region A1 would not be valid in the period of a standing fact"},
            {REGIONS, "A1,A,district,东区,East,,", "A1,A,district,东区,East,,2023-09-19", "nothing"},
            {REGIONS, "东区,East", "新区,New", "nothing"},
            {INDICATORS, "fixed,safety,flow", "fixed,safety,peak",
             "indicator safety.fixed is a flow, it would be a peak"},
            {INDICATORS, "fixed,safety,flow,处,places,0", "fixed,safety,flow,处,places,1",
             "indicator safety.fixed has 0 decimals, it would have 1"},
            {INDICATORS, "fixed,safety,flow,处,places", "fixed,safety,flow,个,sites",
             "indicator safety.fixed is counted in places, it would be in sites"},
            {INDICATORS, "fixed,safety,flow,处,places,0,,", "fixed,safety,flow,处,places,0,,5", "nothing"},
            {DATASETS, "every: day", "every: month",
             "dataset safety is reported by day, it would be by month"},
            {OFFICES, "oa,A,", "ox,A,", "office oa is no longer in the catalogue"},
            {OFFICES, "oa,A,subtree", "oa,A,self", "region A1 would be outside the scope of office oa"},
            {OFFICES, "oa,A,subtree,*", "oa,A,subtree,census",
             "office oa would no longer answer for dataset safety"},
            {OFFICES, "Office A,,", "Office A,2023-09-20,",
             "office oa would not be valid in the period of a standing fact"},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
                assert_string_equal(blocks(cases[i].file, cases[i].before, cases[i].after, "A1",
                                           "safety.fixed", "oa", "2023-09-19"),
                                    cases[i].want);
}

/* The catalogue that ships: as many regions as the list it was made from, and no warning. */
static void inner_mongolia(void **state)
{
        (void)state;
        static const struct {
                const char *level;
                unsigned n;
        } levels[] = {{"region", 1}, {"league", 12}, {"banner", 103}, {"zone", 5}, {"township", 1225}};
        struct faults faults = {0};
        struct catalog *c = folder_parse("catalog/neimenggu", &faults);
        assert_non_null(c);
        assert_int_equal(faults.n, 0);
        for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
                unsigned n = 0;
                for (uint32_t k = 0; k < c->n_regions; k++)
                        n += strcmp(c->regions[k].level, levels[i].level) == 0;
                assert_int_equal(n, levels[i].n);
        }
        assert_int_equal(c->n_offices, 13);
        assert_int_equal(c->n_datasets, 4);
        bool own;
        assert_int_equal(catalog_region(c, "包头市本级", NONE, &own), catalog_region_code(c, "150200"));
        assert_true(own);
        catalog_free(c);
        faults_close(&faults);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(every_fault_has_its_place),
            cmocka_unit_test(all_faults_at_once),
            cmocka_unit_test(faults_read_well),
            cmocka_unit_test(no_rules_is_fine),
            cmocka_unit_test(too_deep),
            cmocka_unit_test(too_many_levels),
            cmocka_unit_test(parents_before_children),
            cmocka_unit_test(regions_by_code_and_name),
            cmocka_unit_test(indicators_by_code_and_name),
            cmocka_unit_test(values_are_scaled),
            cmocka_unit_test(scopes),
            cmocka_unit_test(digits_say_nothing),
            cmocka_unit_test(pack_round_trip),
            cmocka_unit_test(what_stands_in_the_way),
            cmocka_unit_test(inner_mongolia),
        };
        return cmocka_run_group_tests(tests, load_isles, free_isles);
}
