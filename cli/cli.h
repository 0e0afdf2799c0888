/* cli: the program `sumu` (CONTRACT.md, "`sumu`"): one command line, one exit status.
 *
 * A command is a row of commands.def and a function. The line is read here: the function finds its options by
 * name and its operands in order, writes what was asked for to `out` and everything else to `err`, and
 * answers an exit status. What `--help` prints is the manual; it is made from the same rows.
 *
 * Options are read with getopt_long rather than argp, as in the daemons: the sentences come in two languages,
 * and argp's own follow the installed locales, of which a container has none. */
#ifndef SUMU_CLI_CLI_H
#define SUMU_CLI_CLI_H

#include "base/text.h"
#include "core/reason.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { CLI_DONE = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

enum option_id {
#define OPTION(id, name, argument, en, zh) OPTION_##id,
#include "cli/options.def"
#undef OPTION
        OPTION_COUNT
};

struct cli {
        FILE *in, *out, *err;
        bool person;   /* somebody sits there: questions may be asked (in and err are terminals) */
        bool terminal; /* out is one: digits are grouped */
        bool progress; /* err is one: long work says how far it is */

        enum lang lang;
        const char *words;                /* of the command, "keys init" */
        const char *option[OPTION_COUNT]; /* NULL: not given; a flag is "" */
        char **operands;
        int n_operands;
};

/* Reads the line and runs its command. The streams and what they are come from the caller. Answers the exit
 * status. */
int cli_run(struct cli *c, int argc, char **argv);

/* Of two sentences the one in the reader's language. */
const char *cli_say(const struct cli *c, const char *en, const char *zh);

/* "sumu: sentence\n" on err; CLI_FAILED, so that `return cli_fail(…)` reads well. */
int cli_fail(const struct cli *c, const char *en, const char *zh, ...)
    __attribute__((format(printf, 2, 4), format(printf, 3, 4)));

/* The same, and where help is; CLI_USAGE. */
int cli_misuse(const struct cli *c, const char *en, const char *zh, ...)
    __attribute__((format(printf, 2, 4), format(printf, 3, 4)));

/* A whole number of an option from `least` on; `otherwise` where it is not given. false: said. */
bool cli_number(const struct cli *c, enum option_id id, int64_t least, int64_t otherwise, int64_t *n);

/* false: the option is needed and not there, which was said. */
bool cli_needs(const struct cli *c, enum option_id id);

/* Text from elsewhere, for a terminal: control characters (the bytes of an escape sequence among them) are
 * replaced. */
void cli_plain(struct text *out, const char *s);

/* A line on stderr in the form of CONTRACT.md, "file:row:column: message (code)"; file and column NULL, row
 * 0: none. */
void cli_line(const struct cli *c, const char *file, uint32_t row, const char *column, const char *message,
              const char *code);

/* The commands. */
typedef int command_fn(struct cli *c);
#define COMMAND(words, fn, operands, least, most, options, en, zh, manual_en, manual_zh) command_fn fn;
#include "cli/commands.def"
#undef COMMAND

#endif
