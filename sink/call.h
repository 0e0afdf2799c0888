/* call: one request to the API while it is answered (part of sink/api.h).
 *
 * A handler writes its answer into a->body and answers true, or refuses with one of the functions below,
 * which answer false so that `return call_refuse(…)` reads well. What call_look took is given back by who
 * called the handler. */
#ifndef SUMU_SINK_CALL_H
#define SUMU_SINK_CALL_H

#include "loop/http.h"
#include "sink/reader.h"

struct api;
struct edition;

struct call {
        struct api *api;
        const struct http_request *q;
        struct http_reply *a;
        enum lang lang;
        struct arena arena;

        struct reader *r; /* after call_look */
        const struct catalog *c;
        struct edition *edition;
        int64_t as_of_us; /* the moment asked about, for the answer */
        struct err e;
};

typedef bool call_fn(struct call *k);

/* Takes a reader and looks at the store as of a version (UINT64_MAX: as `as_of` in the query says, else now),
 * with the catalogue in force at that moment. */
bool call_look(struct call *k, uint64_t version);

enum api_error {
#define API_ERROR(name, status, code, en, zh) API_##name,
#include "sink/api_errors.def"
#undef API_ERROR
        API_ERRORS
};

enum { CALL_ARGS = 4 };
bool call_refuse(struct call *k, enum api_error which, const char *const args[CALL_ARGS]);
#define CALL_REFUSE(k, which, ...) call_refuse(k, API_##which, (const char *const[CALL_ARGS]){__VA_ARGS__})

/* By a reason of core/reasons.def: 404 for what is unknown, else 422. */
bool call_refuse_reason(struct call *k, enum reason_code code, const char *a0, const char *a1);

/* What the store refused: k->e says it. */
bool call_refuse_store(struct call *k, int rc);

/* The parameters many routes share; each refuses what it cannot read. `text` NULL: refused as needed. */
const char *call_needed(struct call *k, const char *key); /* NULL: refused */
bool call_flag(struct call *k, const char *key);          /* 1, true or yes */
bool call_number(struct call *k, const char *key, uint64_t least, uint64_t most, uint64_t otherwise,
                 uint64_t *v);
bool call_dataset(struct call *k, const char *text, uint32_t *dataset);
bool call_office(struct call *k, const char *text, uint32_t *office);
bool call_region(struct call *k, const char *text, uint32_t *region, bool *own);
bool call_indicator(struct call *k, const char *text, uint32_t *indicator);
bool call_period(struct call *k, const char *text, struct period *p);
bool call_held(struct call *k, uint32_t dataset, struct period asked, struct period *held);

/* Takes the next part of a list at *rest, in the arena; NULL: the end. */
char *call_next(struct call *k, const char **rest);

/* The handlers. */
call_fn answer_totals, answer_series, answer_coverage, answer_lineage, answer_reports, answer_catalog;

/* For several of them: a time as JSON, a period as JSON, the entry of a figure. */
void print_time(struct text *t, int64_t us);
void print_period(struct text *t, struct period p);

#endif
