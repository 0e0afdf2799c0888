#include "lib/office_catalog.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
        const char *name, *text;
} files[] = {
    {"catalog.yaml",
     "name_zh: 试验\nname_en: Trial\nversion: '1'\nroot: '150000'\ntimezone: Asia/Shanghai\n"},
    {"regions.csv", "code,parent,level,name_zh,name_en,valid_from,valid_to\n"
                    "150000,,region,内蒙古自治区,Inner Mongolia,,\n"
                    "150200,150000,league,包头市,Baotou,,\n"
                    "150400,150000,league,赤峰市,Chifeng,,\n"
                    "150203,150200,banner,昆都仑区,Kundulun District,,\n"
                    "150221,150200,banner,土默特右旗,Tumed Right Banner,,\n"
                    "150222,150200,banner,固阳县,Guyang County,,\n"
                    "150291,150200,banner,新区,New District A,,\n"
                    "150292,150200,banner,新区,New District B,,\n"
                    "150402,150400,banner,红山区,Hongshan District,,\n"},
    {"indicators.csv",
     "code,dataset,kind,unit_zh,unit_en,decimals,min,max,name_zh,name_en,formula,level\n"
     "firearms_seized,gunexp,flow,支,firearms,0,,,收缴非法枪支,Illegal firearms seized,,\n"
     "explosives_seized,gunexp,flow,公斤,kg,1,,,收缴炸药,Explosives seized,,\n"
     "hazards_found,gunexp,flow,处,hazards,0,,,发现安全隐患,Safety hazards found,,\n"
     "hazards_fixed,gunexp,flow,处,hazards,0,,,整改安全隐患,Safety hazards rectified,,\n"
     "net_change,gunexp,flow,支,firearms,0,-,,净增减,Net change,,\n"
     "rate,gunexp,derived,%,%,1,,,安全隐患整改率,Share rectified,100 * hazards_fixed / hazards_found,\n"
     "days,lawinsp,flow,天,days,0,,92,督察天数,Days of inspection,,league\n"
     "teams,lawinsp,stock,个,teams,0,,,联合督察组,Joint inspection teams,,league\n"
     "issues_found,lawinsp,flow,个,issues,0,,,督察发现问题,Issues found,,\n"
     "coverage,lawinsp,stock,%,%,1,,100,覆盖率,Coverage,,league\n"
     "visitors,scipop,flow,人次,visits,0,,,参观人次,Visits,,\n"
     "peak_visitors,scipop,peak,人次,visits,0,,,单日最高参观人次,Most visits on one day,,\n"},
    {"datasets.yaml",
     "- code: gunexp\n  name_zh: 枪爆物品打击整治\n  name_en: Gun and explosives enforcement\n  every: day\n "
     " due: 12h\n"
     "- code: lawinsp\n  name_zh: 法治督察\n  name_en: Rule-of-law inspection\n  every: quarter\n  due: 10d\n"
     "- code: scipop\n  name_zh: 科学普及活动\n  name_en: Science outreach\n  every: month\n  due: 5d\n"},
    {"offices.csv", "code,region,scope,datasets,name_zh,name_en\n"
                    "150200,150200,subtree,*,包头市,Baotou\n"
                    "150400,150400,subtree,gunexp,赤峰市,Chifeng\n"
                    "dept,150000,self,lawinsp;scipop,自治区本级,Departments\n"},
    {"rules.csv",
     "code,dataset,grade,check,message_zh,message_en\n"
     "fixed_le_found,gunexp,reject,hazards_fixed <= hazards_found,整改多于发现,More rectified than found\n"
     "guns_explained,gunexp,explain,firearms_seized <= 100000,请说明,Please explain\n"},
};

struct catalog *office_catalog(void)
{
        enum { N = sizeof files / sizeof *files };
        struct catalog_file given[N];
        struct faults faults = {0};
        for (size_t i = 0; i < N; i++)
                given[i] = (struct catalog_file){files[i].name, files[i].text, strlen(files[i].text)};
        struct catalog *c = catalog_parse(given, N, &faults);
        if (!c) {
                struct text lines = {0};
                faults_lines(&faults, "office_catalog", LANG_EN, &lines);
                fprintf(stderr, "%s", text_c(&lines));
                abort();
        }
        faults_close(&faults);
        return c;
}

struct judge office_judge(const struct catalog *c, const char *office)
{
        int32_t day = day_of(2023, 12, 31);
        return (struct judge){
            .catalog = c,
            .office = (uint32_t)catalog_office(c, office),
            .today = day,
            .submitted_civil_s = (int64_t)day * 86400 + 43200,
        };
}
