#include "core/rhythm.h"

#include "base/check.h"

static unsigned months_in(enum period_kind k)
{
        switch (k) {
        case PERIOD_MONTH: return 1;
        case PERIOD_QUARTER: return 3;
        case PERIOD_HALF: return 6;
        case PERIOD_YEAR: return 12;
        default: UNREACHABLE();
        }
}

struct rhythm rhythm_of(enum period_kind every)
{
        switch (every) {
        case PERIOD_DAY: return (struct rhythm){every, 12, 12, PERIOD_MONTH};
        case PERIOD_WEEK: return (struct rhythm){every, 1, 1, PERIOD_YEAR};
        case PERIOD_MONTH: return (struct rhythm){every, 1, 4, PERIOD_QUARTER};
        case PERIOD_QUARTER: return (struct rhythm){every, 1, 2, PERIOD_HALF};
        case PERIOD_HALF: return (struct rhythm){every, 1, 1, PERIOD_YEAR};
        case PERIOD_YEAR: return (struct rhythm){every, 1, 0, PERIOD_YEAR};
        case PERIOD_SPAN: break;
        }
        UNREACHABLE();
}

static unsigned month_of(int32_t day) /* from 0 */
{
        int y, m, d;
        day_parts(day, &y, &m, &d);
        return (unsigned)m - 1;
}

/* The i-th period of a kind made of months in a calendar year. */
static struct period part_of(struct period year, enum period_kind k, unsigned i)
{
        int y, m, d;
        day_parts(year.first, &y, &m, &d);
        return period_of(k, day_of(y, 1 + (int)(i * months_in(k)), 1));
}

unsigned rhythm_chapter(const struct rhythm *r, struct period base)
{
        return r->every == PERIOD_DAY ? month_of(base.first) : 0;
}

unsigned rhythm_page(const struct rhythm *r, struct period base)
{
        switch (r->every) {
        case PERIOD_DAY: return (unsigned)(base.first - period_upper(base, PERIOD_MONTH).first);
        case PERIOD_WEEK: return (unsigned)(base.first - period_upper(base, PERIOD_YEAR).first) / 7;
        default: return month_of(base.first) / months_in(r->every);
        }
}

unsigned rhythm_slot(const struct rhythm *r, unsigned chapter, unsigned page)
{
        PRE(r->slots > 0);
        switch (r->every) {
        case PERIOD_DAY: return chapter;
        case PERIOD_WEEK: return 0;
        default: return page * months_in(r->every) / months_in(r->slot_kind);
        }
}

struct period rhythm_chapter_period(const struct rhythm *r, struct period year, unsigned chapter)
{
        return r->every == PERIOD_DAY ? part_of(year, PERIOD_MONTH, chapter) : year;
}

struct period rhythm_page_period(const struct rhythm *r, struct period year, unsigned chapter, unsigned page)
{
        int32_t first = rhythm_chapter_period(r, year, chapter).first;
        switch (r->every) {
        case PERIOD_DAY: return period_of(PERIOD_DAY, first + (int32_t)page);
        case PERIOD_WEEK: return period_of(PERIOD_WEEK, first + 7 * (int32_t)page);
        default: return part_of(year, r->every, page);
        }
}

unsigned rhythm_pages(const struct rhythm *r, struct period year, unsigned chapter)
{
        struct period p = rhythm_chapter_period(r, year, chapter);
        unsigned days = (unsigned)(p.last - p.first + 1);
        switch (r->every) {
        case PERIOD_DAY: return days;
        case PERIOD_WEEK: return days / 7;
        default: return 12 / months_in(r->every);
        }
}

unsigned rhythm_uppers(const struct rhythm *r, enum period_kind kind)
{
        PRE(r->slots > 0 && kind >= r->slot_kind);
        return 12 / months_in(kind);
}

struct period rhythm_upper(const struct rhythm *r, struct period year, enum period_kind kind, unsigned i)
{
        PRE(i < rhythm_uppers(r, kind));
        return kind == PERIOD_YEAR ? year : part_of(year, kind, i);
}
