/* collector: the office's daemon. One loop, one thread; what must not be lost is in the outbox.
 *
 * Reports come in by HTTP (api) and by files (inbox) through the same door (parcel); the courier keeps up
 * the conversation with HQ over the link. */
#ifndef SUMU_COLLECTOR_COLLECTOR_H
#define SUMU_COLLECTOR_COLLECTOR_H

#include "collector/courier.h"
#include "collector/inbox.h"
#include "collector/outbox.h"
#include "collector/parcel.h"
#include "loop/config.h"
#include "loop/daemon.h"
#include "loop/http.h"
#include "loop/keys.h"
#include "loop/zpoll.h"

enum collector_metric {
#define METRIC(field, name, type, help) METRIC_##field,
#include "collector/metrics.def"
#undef METRIC
        METRICS
};

struct collector {
        const struct config *config;
        enum lang lang;
        int64_t keep_us;
        bool take_over; /* asked for, and still to be done */

        uv_loop_t loop;
        uv_timer_t timer;   /* the courier's deadline, or the next chores */
        uv_timer_t looker;  /* the next look into the inbox */
        uv_fs_event_t hint; /* something moved there */
        uv_idle_t worker;   /* runs while files wait or there is something to trim */
        struct daemon_signals *signals;
        void *zmq;
        struct zpoll *link;
        struct http *http;
        struct http_options http_options;
        struct health *health;
        struct keys keys;
        char token[256]; /* of HTTP; keys may be read again while it is lent to the server */

        struct outbox outbox;
        struct ledger ledger;
        struct inbox *inbox;     /* NULL: none configured */
        struct catalog *catalog; /* NULL: none yet */
        bool catalog_is_hqs;     /* else the folder's */
        int32_t office;          /* its number in the catalogue; NONE: not in it */

        struct courier courier;

        /* monotonic, ms */
        int64_t shrank_ms; /* since when the backlog has not become shorter */
        int64_t chores_ms, looked_ms, tended_ms, cleaned_ms, resynced_ms;
        uint64_t shrank_mark; /* mark at shrank_ms */
        bool trimming, troubled;

        int64_t counts[METRICS];
        int status;            /* exit status */
        bool ending, stopping; /* to be stopped at the timer's next call; being stopped */
};

extern const struct config_key collector_keys[];
extern const struct metric collector_metrics[];

int collector_run(const struct config *config, enum lang lang, bool take_over, bool check_only);

/* ---- for its parts: api, inbox, link, watch */

/* The book to enter into; false: there is no catalogue, or this office is not in it. */
bool collector_book(struct collector *c, struct parcel_book *b);

/* A transaction of the outbox. Trouble shows in /healthz until a commit succeeds, and a broken disk stops the
 * process. */
int collector_begin(struct collector *c, struct err *e);
int collector_commit(struct collector *c, struct err *e);
void collector_trouble(struct collector *c, const struct err *e);
void collector_relief(struct collector *c); /* a commit succeeded */

/* After reports were committed: they are counted and the uplink hears of them. */
void collector_grew(struct collector *c, size_t reports, size_t rows);

void collector_use_catalog(struct collector *c, struct catalog *next, bool hqs); /* ours from here on */
void collector_look_soon(struct collector *c);                                   /* into the inbox */
void collector_arm(struct collector *c); /* the timer, for the courier's next deadline */

#endif
