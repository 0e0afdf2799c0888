#include "loop/catalog_load.h"

#include "loop/files.h"

#include <limits.h>
#include <stdio.h>

enum { CATALOG_FILE_BYTES = 32 * 1024 * 1024 };

struct catalog *catalog_load(const char *dir, struct faults *faults, struct err *e)
{
        static const struct {
                const char *name;
                bool optional;
        } files[] = {{"catalog.yaml", false},  {"regions.csv", false}, {"indicators.csv", false},
                     {"datasets.yaml", false}, {"offices.csv", false}, {"rules.csv", true}};
        enum { FILES = sizeof files / sizeof *files };
        struct text bytes[FILES] = {0};
        struct catalog_file given[FILES];
        struct catalog *c = NULL;
        size_t n = 0;
        int code = 0;
        for (size_t i = 0; code == 0 && i < FILES; i++) {
                char path[PATH_MAX];
                snprintf(path, sizeof path, "%s/%s", dir, files[i].name);
                code = file_read(path, CATALOG_FILE_BYTES, &bytes[i], e);
                if (code == 0)
                        given[n++] = (struct catalog_file){files[i].name, text_c(&bytes[i]), bytes[i].n};
                else if (code == E_MISSING && files[i].optional)
                        code = 0;
        }
        if (code == 0) {
                if (e)
                        *e = (struct err){0}; /* that of a file that may lack */
                c = catalog_parse(given, n, faults);
        }
        for (size_t i = 0; i < FILES; i++)
                text_close(&bytes[i]);
        return c;
}
