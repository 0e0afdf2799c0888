#include "cli/cli.h"

#include <unistd.h>

int main(int argc, char **argv)
{
        struct cli c = {
            .in = stdin,
            .out = stdout,
            .err = stderr,
            .person = isatty(STDIN_FILENO) && isatty(STDERR_FILENO),
            .terminal = isatty(STDOUT_FILENO),
            .progress = isatty(STDERR_FILENO),
        };
        return cli_run(&c, argc, argv);
}
