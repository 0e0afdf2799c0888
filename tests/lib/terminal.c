#include "lib/terminal.h"

#include "cli/cli.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct terminal terminal;

enum { WORDS = 64 };

void terminal_close(void)
{
        free(terminal.out);
        free(terminal.err);
        terminal.out = terminal.err = NULL;
}

void run(const char *word, ...)
{
        char *argv[WORDS] = {(char *)"sumu"};
        const char *typed = terminal.typed ? terminal.typed : "\n";
        size_t out_n, err_n;
        int argc = 1;
        va_list ap;
        va_start(ap, word);
        for (const char *w = word; w && argc < WORDS - 1; w = va_arg(ap, const char *))
                argv[argc++] = (char *)w;
        va_end(ap);
        terminal_close();
        struct cli c = {.person = terminal.person, .terminal = terminal.wide};
        c.in = fmemopen((void *)typed, strlen(typed), "r");
        c.out = open_memstream(&terminal.out, &out_n);
        c.err = open_memstream(&terminal.err, &err_n);
        terminal.status = cli_run(&c, argc, argv);
        fclose(c.in);
        fclose(c.out);
        fclose(c.err);
}
