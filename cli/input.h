/* input: a file somebody hands in, and what is known of it before it is opened by anybody else. */
#ifndef SUMU_CLI_INPUT_H
#define SUMU_CLI_INPUT_H

#include "cli/cli.h"
#include "core/intake.h"

struct input { /* zeroed is empty */
        const char *path;
        struct text bytes; /* as they are: in any encoding */
        bool json;
        struct intake_hints
            hints; /* of the options, else of the file's name; not of JSON, which says them itself */
        char room[256];
};

/* Are --dataset, --period and --action such as can be? false: said, wrong usage. */
bool input_usage(const struct cli *c);

/* Of a file, or of a pipe; `-` is standard input. 0, or CLI_FAILED with "file: message (code)" said. JSON is
 * what ends in .json or begins with a bracket. */
int input_read(const struct cli *c, const char *path, struct input *in);
void input_close(struct input *in);

#endif
