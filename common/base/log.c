#include "base/log.h"

#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *log_program = "sumu";
static enum log_level log_least = LOG_INFO;
static bool log_json;

void log_init(const char *program, enum log_level least, bool json)
{
        log_program = program;
        log_least = least;
        log_json = json;
}

static void field(struct text *t, const char *key, const char *value)
{
        if (log_json) {
                text_char(t, ',');
                text_json(t, key);
                text_char(t, ':');
                text_json(t, value);
                return;
        }
        text_printf(t, " %s=", key);
        if (*value && !strpbrk(value, " \t\r\n\"="))
                text_add(t, value);
        else
                text_json(t, value);
}

void log_event(enum log_level level, const char *msg, ...)
{
        static const char *const names[] = {"debug", "info", "warn", "error"};
        if (level < log_least)
                return;
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        struct tm tm;
        gmtime_r(&now.tv_sec, &tm);
        char ts[40];
        size_t n = strftime(ts, sizeof ts, "%Y-%m-%dT%H:%M:%S", &tm);
        snprintf(ts + n, sizeof ts - n, ".%03ldZ", now.tv_nsec / 1000000);

        struct text t = {0};
        text_printf(
            &t, log_json ? "{\"ts\":\"%s\",\"level\":\"%s\",\"program\":\"%s\"" : "ts=%s level=%s program=%s",
            ts, names[level], log_program);
        field(&t, "msg", msg);
        va_list ap;
        va_start(ap, msg);
        for (const char *key; (key = va_arg(ap, const char *));) {
                const char *value = va_arg(ap, const char *);
                field(&t, key, value ? value : "");
        }
        va_end(ap);
        text_add(&t, log_json ? "}\n" : "\n");
        ssize_t written = write(STDERR_FILENO, text_c(&t), t.n);
        (void)written; /* nowhere left to complain */
        text_close(&t);
}
