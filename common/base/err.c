#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int err_put(struct err *e, int code, const char *fmt, ...)
{
        if (!e)
                return code;
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(e->text, sizeof e->text, fmt, ap);
        va_end(ap);
        e->code = code;
        return code;
}

int err_wrap(struct err *e, const char *fmt, ...)
{
        if (!e)
                return E_IO;
        char was[sizeof e->text];
        memcpy(was, e->text, sizeof was);
        va_list ap;
        va_start(ap, fmt);
        int n = vsnprintf(e->text, sizeof e->text, fmt, ap);
        va_end(ap);
        if (n < 0 || (size_t)n + 3 > sizeof e->text)
                return e->code;
        size_t room = sizeof e->text - (size_t)n - 3, len = strlen(was);
        memcpy(e->text + n, ": ", 2);
        memcpy(e->text + n + 2, was, len < room ? len : room);
        e->text[(size_t)n + 2 + (len < room ? len : room)] = '\0';
        return e->code;
}

const char *err_sentence(int code)
{
        switch (code) {
#define ERR(name, number, sentence) \
        case number:                \
                return sentence;
#include "base/errors.def"
#undef ERR
        default: return "unknown error";
        }
}
