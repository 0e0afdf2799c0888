/* catalog_keys: what catalog.c and catalog_parse.c share and nobody else needs. */
#ifndef SUMU_CORE_CATALOG_KEYS_H
#define SUMU_CORE_CATALOG_KEYS_H

#include "core/catalog.h"

/* FILE_ROW(id, name): the files the digest covers, in the order of the pack. */
#define CATALOG_FILE_LIST(FILE_ROW)            \
        FILE_ROW(CATALOG, "catalog.yaml")      \
        FILE_ROW(REGIONS, "regions.csv")       \
        FILE_ROW(INDICATORS, "indicators.csv") \
        FILE_ROW(DATASETS, "datasets.yaml")    \
        FILE_ROW(OFFICES, "offices.csv")       \
        FILE_ROW(RULES, "rules.csv")

enum {
#define FILE_ROW(id, name) FILE_##id,
        CATALOG_FILE_LIST(FILE_ROW)
#undef FILE_ROW
            CATALOG_FILES
};
extern const char *const catalog_files[CATALOG_FILES];

enum {
        NAME_MAX_BYTES = 200,        /* of names and units */
        AMBIGUOUS_HERE = 0x7fffffff, /* in indicator_names: several have this key */
};

/* A key of indicator_names: form 'c' or 'n', the dataset's code (NULL: all datasets), the code or name.
 * False: longer than any key there is. */
struct catalog_key {
        char text[2 * CODE_MAX + NAME_MAX_BYTES + 8];
        size_t n;
};
bool catalog_key(struct catalog_key *k, char form, const char *dataset, const char *text);

/* Makes pack and digest of the files as they were read (n 0: absent). false: memory. */
bool catalog_seal(struct catalog *c, const struct catalog_file files[CATALOG_FILES]);

#endif
