#include "loop/metrics.h"

#include "loop/clock.h"
#include "loop/files.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static size_t family(const char *name)
{
        return strcspn(name, "{");
}

static void print_help(struct text *out, const struct metric *m)
{
        int n = (int)family(m->name);
        text_printf(out, "# HELP %.*s ", n, m->name);
        for (const char *p = m->help; *p; p++) {
                if (*p == '\\' || *p == '\n')
                        text_char(out, '\\');
                text_char(out, *p == '\n' ? 'n' : *p);
        }
        text_printf(out, "\n# TYPE %.*s %s\n", n, m->name, m->type);
}

void metrics_print(const struct metric *table, const _Atomic int64_t *values, size_t n, struct text *out)
{
        for (size_t i = 0; i < n; i++) {
                size_t word = family(table[i].name);
                if (i == 0 || family(table[i - 1].name) != word ||
                    strncmp(table[i - 1].name, table[i].name, word) != 0)
                        print_help(out, &table[i]);
                text_printf(out, "%s %" PRId64 "\n", table[i].name,
                            atomic_load_explicit(&values[i], memory_order_relaxed));
        }
}

static int64_t resident_bytes(void)
{
        struct text statm = {0};
        long all, resident = 0;
        if (file_read("/proc/self/statm", 4096, &statm, NULL) < 0 ||
            sscanf(text_c(&statm), "%ld %ld", &all, &resident) != 2)
                resident = 0;
        text_close(&statm);
        return (int64_t)resident * sysconf(_SC_PAGESIZE);
}

/* Field 22 of /proc/self/stat: clock ticks between boot and the process's beginning. The name in field 2 may
 * hold anything, so counting starts behind its last bracket. */
static int64_t began_us(void)
{
        struct text stat = {0};
        struct timespec now;
        unsigned long long ticks = 0;
        file_read("/proc/self/stat", 4096, &stat, NULL);
        const char *p = strrchr(text_c(&stat), ')');
        for (int field = 2; p && field < 22; field++)
                p = strchr(p + 1, ' ');
        if (p)
                sscanf(p, "%llu", &ticks);
        text_close(&stat);
        clock_gettime(CLOCK_BOOTTIME, &now);
        int64_t age_us = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000 -
                         (int64_t)ticks * 1000000 / sysconf(_SC_CLK_TCK);
        return clock_us() - age_us;
}

void metrics_process(struct text *out)
{
        static const struct metric table[] = {
            {"process_cpu_seconds_total", "counter", "User and system CPU time spent."},
            {"process_resident_memory_bytes", "gauge", "Memory in use."},
            {"process_start_time_seconds", "gauge", "When the process began, seconds since 1970."},
        };
        static const struct metric build = {"sumu_build_info", "gauge",
                                            "Always 1; the version is in its label."};
        struct timespec cpu = {0};
        print_help(out, &build);
        text_printf(out, "%s{version=\"%s\"} 1\n", build.name, SUMU_VERSION);
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
        print_help(out, &table[0]);
        text_printf(out, "%s %lld.%06ld\n", table[0].name, (long long)cpu.tv_sec, cpu.tv_nsec / 1000);
        print_help(out, &table[1]);
        text_printf(out, "%s %" PRId64 "\n", table[1].name, resident_bytes());
        print_help(out, &table[2]);
        text_printf(out, "%s %" PRId64 "\n", table[2].name, began_us() / 1000000);
}
