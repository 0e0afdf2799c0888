/* A zone is a table of changes and, after the last of them, a rule in the notation of POSIX TZ
 * ("CET-1CEST,M3.5.0, M10.5.0/3"), which is how the files say "and so on for ever". */
#include "loop/clock.h"

#include "base/text.h"
#include "core/period.h"
#include "loop/files.h"

#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DAY_S = 86400, ZONE_NAME = 64, ZONE_BYTES = 256 * 1024, ZONES_MOST = 64, TYPES_MOST = 256 };

/* The day of the year on which a rule turns over, and the second of that day by the wall clock. */
struct turn {
        char kind; /* 'M': day d of week w of month m; 'J': day d from 1, February 29 not counted; 'D': day d
                      from 0 */
        int m, w, d;
        int32_t second;
};

struct rule {
        int32_t standard, summer; /* seconds east of UTC */
        bool has_summer;
        struct turn begin, end;
};

struct zone {
        struct zone *next;
        char name[ZONE_NAME];
        bool known, has_rule;
        int64_t *at; /* ascending; from at[i] on, type[i] holds */
        uint8_t *type;
        size_t n;
        int32_t offset[TYPES_MOST], before; /* before: until at[0] */
        struct rule rule;
};

/* The rule of the footer */

static bool read_number(const char **p, int low, int high, int *v)
{
        int n = 0;
        if (!isdigit((unsigned char)**p))
                return false;
        for (; isdigit((unsigned char)**p) && n <= high; (*p)++)
                n = n * 10 + (**p - '0');
        *v = n;
        return n >= low && n <= high;
}

/* [+-]h[h][:mm[:ss]] in seconds. */
static bool read_time(const char **p, int32_t *s)
{
        int sign = **p == '-' ? -1 : 1, h, m = 0, sec = 0;
        *p += **p == '-' || **p == '+';
        if (!read_number(p, 0, 167, &h))
                return false;
        if (**p == ':' && ((*p)++, !read_number(p, 0, 59, &m)))
                return false;
        if (**p == ':' && ((*p)++, !read_number(p, 0, 59, &sec)))
                return false;
        *s = sign * (h * 3600 + m * 60 + sec);
        return true;
}

static bool skip_name(const char **p)
{
        const char *begin = *p;
        if (**p == '<') {
                *p += strcspn(*p, ">");
                return *(*p)++ == '>';
        }
        while (isalpha((unsigned char)**p))
                (*p)++;
        return *p - begin >= 3;
}

static bool read_turn(const char **p, struct turn *t)
{
        if (*(*p)++ != ',')
                return false;
        *t = (struct turn){.kind = 'D', .second = 2 * 3600};
        if (**p == 'M') {
                t->kind = *(*p)++;
                if (!read_number(p, 1, 12, &t->m) || *(*p)++ != '.' || !read_number(p, 1, 5, &t->w) ||
                    *(*p)++ != '.' || !read_number(p, 0, 6, &t->d))
                        return false;
        } else {
                if (**p == 'J')
                        t->kind = *(*p)++;
                if (!read_number(p, t->kind == 'J', 365, &t->d))
                        return false;
        }
        if (**p != '/')
                return true;
        (*p)++;
        return read_time(p, &t->second);
}

/* POSIX counts west of Greenwich as positive. */
static bool read_rule(const char *p, struct rule *r)
{
        int32_t west;
        *r = (struct rule){0};
        if (!skip_name(&p) || !read_time(&p, &west))
                return false;
        r->standard = -west;
        if (!*p)
                return true;
        r->has_summer = true;
        r->summer = r->standard + 3600;
        if (!skip_name(&p))
                return false;
        if (*p != ',') {
                if (!read_time(&p, &west))
                        return false;
                r->summer = -west;
        }
        return read_turn(&p, &r->begin) && read_turn(&p, &r->end) && !*p;
}

/* Seconds of wall clock from 1970 on at which a rule turns in a year. */
static int64_t turn_in_year(const struct turn *t, int year)
{
        int32_t day = 0, january = day_of(year, 1, 1);
        bool leap = day_of(year, 3, 1) - january == 60;
        switch (t->kind) {
        case 'M': {
                int32_t first = day_of(year, t->m, 1);
                int32_t next = t->m == 12 ? january + 365 + leap : day_of(year, t->m + 1, 1);
                /* POSIX weeks begin on Sunday = 0, ours on Monday = 0 */
                day = first + (t->d - (int)(day_weekday(first) + 1) % 7 + 7) % 7 + (t->w - 1) * 7;
                while (day >= next)
                        day -= 7;
                break;
        }
        case 'J': day = january + t->d - 1 + (leap && t->d >= 60); break;
        default: day = january + t->d;
        }
        return (int64_t)day * DAY_S + t->second;
}

static int32_t offset_by_rule(const struct rule *r, int64_t s)
{
        int64_t local = s + r->standard, day = local / DAY_S - (local % DAY_S < 0);
        int year, month, mday;
        if (!r->has_summer || day < DAY_MIN || day > DAY_MAX)
                return r->standard;
        day_parts((int32_t)day, &year, &month, &mday);
        int64_t begin = turn_in_year(&r->begin, year) - r->standard,
                end = turn_in_year(&r->end, year) - r->summer;
        bool summer = begin < end ? s >= begin && s < end : s >= begin || s < end;
        return summer ? r->summer : r->standard;
}

/* The file */

struct header {
        size_t utc, standard, leaps, times, types, chars; /* how many */
};

static uint64_t big_endian(const unsigned char *p, int n)
{
        uint64_t v = 0;
        for (int i = 0; i < n; i++)
                v = v << 8 | p[i];
        return v;
}

enum { HEADER = 44, OLD_TIME = 4, NEW_TIME = 8, TYPE = 6 };

static bool read_header(const unsigned char *p, size_t left, struct header *h)
{
        if (left < HEADER || memcmp(p, "TZif", 4) != 0 || p[4] < '2')
                return false;
        size_t *counts[] = {&h->utc, &h->standard, &h->leaps, &h->times, &h->types, &h->chars};
        for (int i = 0; i < 6; i++) {
                *counts[i] = (size_t)big_endian(p + 20 + 4 * i, 4);
                if (*counts[i] > ZONE_BYTES)
                        return false;
        }
        return h->types > 0 && h->types <= TYPES_MOST;
}

static size_t block_size(const struct header *h, size_t time_size)
{
        return h->times * (time_size + 1) + h->types * TYPE + h->chars + h->leaps * (time_size + 4) +
               h->standard + h->utc;
}

static bool read_changes(struct zone *z, const unsigned char *p, const struct header *h)
{
        const unsigned char *kinds = p + h->times * NEW_TIME, *types = kinds + h->times;
        z->at = calloc(h->times + 1, sizeof *z->at);
        z->type = calloc(h->times + 1, 1);
        if (!z->at || !z->type)
                return false;
        for (size_t i = 0; i < h->types; i++)
                z->offset[i] = (int32_t)big_endian(types + i * TYPE, 4);
        z->before = z->offset[0];
        z->n = h->times;
        for (size_t i = 0; i < h->times; i++) {
                z->at[i] = (int64_t)big_endian(p + i * NEW_TIME, NEW_TIME);
                z->type[i] = kinds[i];
                if (kinds[i] >= h->types || (i > 0 && z->at[i] <= z->at[i - 1]))
                        return false;
        }
        return true;
}

static bool read_footer(struct zone *z, const char *p, size_t left)
{
        const char *end = left > 1 && *p == '\n' ? memchr(p + 1, '\n', left - 1) : NULL;
        char rule[128];
        size_t n = end ? (size_t)(end - p - 1) : sizeof rule;
        if (n >= sizeof rule)
                return false;
        memcpy(rule, p + 1, n);
        rule[n] = '\0';
        z->has_rule = n > 0;
        return n == 0 || read_rule(rule, &z->rule);
}

/* A block with 32-bit times comes first and is skipped. */
static bool read_zone(struct zone *z, const unsigned char *p, size_t left)
{
        struct header h;
        if (!read_header(p, left, &h) || block_size(&h, OLD_TIME) > left - HEADER)
                return false;
        size_t skip = HEADER + block_size(&h, OLD_TIME);
        p += skip;
        left -= skip;
        if (!read_header(p, left, &h) || block_size(&h, NEW_TIME) > left - HEADER ||
            !read_changes(z, p + HEADER, &h))
                return false;
        skip = HEADER + block_size(&h, NEW_TIME);
        return read_footer(z, (const char *)p + skip, left - skip);
}

/* A name is a path below the folder and nothing else. */
static bool is_name(const char *name)
{
        if (!*name || strlen(name) >= ZONE_NAME || *name == '/' || strstr(name, ".."))
                return false;
        return name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/")] ==
               '\0';
}

static bool load_zone(struct zone *z)
{
        char path[512];
        const char *folder = getenv("TZDIR");
        struct text bytes = {0};
        snprintf(path, sizeof path, "%s/%s", folder && *folder ? folder : "/usr/share/zoneinfo", z->name);
        bool good = file_read(path, ZONE_BYTES, &bytes, NULL) == 0 &&
                    read_zone(z, (const unsigned char *)text_c(&bytes), bytes.n);
        text_close(&bytes);
        return good;
}

/* Zones are made once and never change or go away, so a reader needs the lock only to find one. An unknown
 * zone is remembered as such; names come from catalogues, which are few. */
static const struct zone *find_zone(const char *name)
{
        static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
        static struct zone *zones;
        static size_t n_zones;
        if (!is_name(name))
                return NULL;
        pthread_mutex_lock(&lock);
        struct zone *z = zones;
        while (z && strcmp(z->name, name) != 0)
                z = z->next;
        if (!z && n_zones < ZONES_MOST && (z = calloc(1, sizeof *z))) {
                snprintf(z->name, sizeof z->name, "%s", name);
                z->known = load_zone(z);
                z->next = zones;
                zones = z;
                n_zones++;
        }
        pthread_mutex_unlock(&lock);
        return z && z->known ? z : NULL;
}

static int32_t offset_at(const struct zone *z, int64_t s)
{
        size_t low = 0, high = z->n; /* at[low - 1] <= s < at[high] */
        if (z->has_rule && (z->n == 0 || s >= z->at[z->n - 1]))
                return offset_by_rule(&z->rule, s);
        while (low < high) {
                size_t middle = low + (high - low) / 2;
                if (z->at[middle] <= s)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low == 0 ? z->before : z->offset[z->type[low - 1]];
}

bool clock_zone_known(const char *zone)
{
        return find_zone(zone) != NULL;
}

static int64_t floor_seconds(int64_t us)
{
        return us / 1000000 - (us % 1000000 < 0);
}

int64_t clock_civil_s(int64_t us, const char *zone)
{
        const struct zone *z = find_zone(zone);
        int64_t s = floor_seconds(us);
        return z ? s + offset_at(z, s) : s;
}

/* The clocks */

int64_t clock_us(void)
{
        struct timespec t;
        clock_gettime(CLOCK_REALTIME, &t);
        return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t clock_monotonic_ms(void)
{
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Written times */

void clock_rfc3339(int64_t us, char out[CLOCK_TEXT])
{
        static const int64_t first = -62135596800,
                             last = 253402300799; /* 0001-01-01T00:00:00Z, 9999-12-31T23:59:59Z */
        int64_t s = floor_seconds(us), rest = us % 1000000;
        time_t t = s < first ? first : s > last ? last : s;
        struct tm tm;
        gmtime_r(&t, &tm);
        snprintf(out, CLOCK_TEXT, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
                 (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)(tm.tm_mon + 1) % 100,
                 (unsigned)tm.tm_mday % 100, (unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100,
                 (unsigned)tm.tm_sec % 100, (unsigned)((rest < 0 ? rest + 1000000 : rest) / 1000) % 1000);
}

/* Two digits from `low` to `high`. */
static bool read_two(const char **p, int high, int *v)
{
        const char *s = *p;
        if (!isdigit((unsigned char)s[0]) || !isdigit((unsigned char)s[1]))
                return false;
        *v = (s[0] - '0') * 10 + (s[1] - '0');
        *p += 2;
        return *v <= high;
}

static bool read_fraction(const char **p, int64_t *us)
{
        int digits = 0;
        int64_t unit = 100000;
        *us = 0;
        if (**p != '.')
                return true;
        for ((*p)++; isdigit((unsigned char)**p); (*p)++, unit /= 10, digits++)
                *us += (**p - '0') * unit;
        return digits >= 1 && digits <= 9;
}

/* Z or +hh:mm; seconds east of UTC. */
static bool read_offset(const char **p, int *east)
{
        int h, m, sign = **p == '-' ? -1 : 1;
        char c = *(*p)++;
        *east = 0;
        if (c == 'Z' || c == 'z')
                return true;
        if ((c != '+' && c != '-') || !read_two(p, 23, &h) || *(*p)++ != ':' || !read_two(p, 59, &m))
                return false;
        *east = sign * (h * 3600 + m * 60);
        return true;
}

/* A leap second is the first of the next minute. */
bool clock_parse(const char *text, int64_t *us)
{
        char date[11] = {0};
        int32_t day;
        int h, m, s, east;
        int64_t fraction;
        if (strlen(text) < 20 || (text[10] != 'T' && text[10] != 't'))
                return false;
        memcpy(date, text, 10);
        const char *p = text + 11;
        if (!day_parse(date, &day) || !read_two(&p, 23, &h) || *p++ != ':' || !read_two(&p, 59, &m) ||
            *p++ != ':' || !read_two(&p, 60, &s) || !read_fraction(&p, &fraction) ||
            !read_offset(&p, &east) || *p)
                return false;
        *us = ((int64_t)day * DAY_S + h * 3600 + m * 60 + s - east) * 1000000 + fraction;
        return true;
}
