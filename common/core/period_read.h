/* period_read: periods as people and spreadsheets write them, beside the labels of period.h.
 *
 *     2023年9月19日  2023年9月19号  2023/9/19  2023-9-19  2023.9.19      a day
 *     2023年第38周                                                       an ISO week
 *     2023年9月  2023/9  2023-9                                          a month
 *     2023年第三季度  2023年3季度                                        a quarter
 *     2023年上半年  2023年下半年                                         a half
 *     2023年                                                             a year
 *
 * Full-width digits and spaces between the parts are understood, everything else is refused: a year of two
 * digits, a month before its year, a date with a time. Pure. */
#ifndef SUMU_CORE_PERIOD_READ_H
#define SUMU_CORE_PERIOD_READ_H

#include "core/period.h"

bool period_read(const char *text, struct period *p);

#endif
