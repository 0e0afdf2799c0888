/* office_catalog: a small catalogue as one office meets it, parsed from its files. For tests of what people
 * send.
 *
 *     150000 region ─┬─ 150200 包头市 league ─┬─ 150203 昆都仑区   gunexp  (day)      firearms_seized 支,
 * explosives_seized │                        ├─ 150221 土默特右旗                     公斤 .1, hazards_found,
 * hazards_fixed, │                        ├─ 150222 固阳县                         net_change (may be
 * negative), rate (derived) │                        ├─ 150291 新区        lawinsp (quarter) days (of leagues
 * only), teams (stock), │                        └─ 150292 新区                           issues_found,
 * coverage (stock, %) └─ 150400 赤峰市 league ─── 150402 红山区     scipop  (month)    visitors,
 * peak_visitors (peak)
 *
 * Offices: 150200 and 150400 of their leagues for all, dept of the region itself for lawinsp and scipop. */
#ifndef SUMU_TESTS_OFFICE_CATALOG_H
#define SUMU_TESTS_OFFICE_CATALOG_H

#include "core/report.h"

struct catalog *office_catalog(void);

/* The judge of an office on 2023-12-31. */
struct judge office_judge(const struct catalog *c, const char *office);

#endif
