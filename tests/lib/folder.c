#include "lib/folder.h"

#include <stdio.h>
#include <stdlib.h>

/* A whole file; an absent one is NULL in v. */
static struct text read_whole(const char *path)
{
        struct text t = {0};
        char buffer[4096];
        FILE *f = fopen(path, "rb");
        if (!f)
                return t;
        text_add(&t, "");
        for (size_t n; (n = fread(buffer, 1, sizeof buffer, f)) > 0;)
                text_bytes(&t, buffer, n);
        fclose(f);
        return t;
}

struct catalog *folder_parse(const char *dir, struct faults *faults)
{
        static const char *const names[] = {"catalog.yaml",  "regions.csv", "indicators.csv",
                                            "datasets.yaml", "offices.csv", "rules.csv"};
        enum { N = sizeof names / sizeof *names };
        struct text texts[N];
        struct catalog_file files[N];
        for (size_t i = 0; i < N; i++) {
                char path[512];
                snprintf(path, sizeof path, "%s/%s", dir, names[i]);
                texts[i] = read_whole(path);
                files[i] = (struct catalog_file){names[i], texts[i].v, texts[i].n};
        }
        struct catalog *c = catalog_parse(files, N, faults);
        for (size_t i = 0; i < N; i++)
                text_close(&texts[i]);
        return c;
}

struct catalog *folder_catalog(const char *dir)
{
        struct faults faults = {0};
        struct catalog *c = folder_parse(dir, &faults);
        if (!c) {
                struct text lines = {0};
                faults_lines(&faults, dir, LANG_EN, &lines);
                fprintf(stderr, "%s", text_c(&lines));
                abort();
        }
        faults_close(&faults);
        return c;
}
