/* client: the three daemons over HTTP, as a command asks them. The one source that knows libcurl.
 *
 * A client speaks to one daemon. Its address comes from the option, then the environment, then the
 * quickstart's ports; only http and https are spoken, nothing is redirected, and what is on this machine is
 * never asked through a proxy. Every request has a time limit. The reader's language goes along, and the
 * bearer token of --token-file or SUMU_TOKEN_FILE.
 *
 * An answer is an answer whatever its status: no answer at all is an error, with a sentence that says what to
 * do next. */
#ifndef SUMU_CLI_CLIENT_H
#define SUMU_CLI_CLIENT_H

#include "base/err.h"
#include "cli/cli.h"

#include <jansson.h>

/* PEER(name, option, variable, url) */
#define PEERS(PEER)                                                                \
        PEER(COLLECTOR, "collector", "SUMU_COLLECTOR", "http://127.0.0.1:7610")    \
        PEER(AGGREGATOR, "aggregator", "SUMU_AGGREGATOR", "http://127.0.0.1:7605") \
        PEER(SINK, "sink", "SUMU_SINK", "http://127.0.0.1:7600")

enum peer {
#define PEER(name, word, variable, url) PEER_##name,
        PEERS(PEER)
#undef PEER
            PEER_COUNT
};
const char *peer_word(enum peer p);

/* The URL that the environment names; NULL: none. SUMU_AGGREGATOR is a key of collector and sink, too, where
 * it is a ZeroMQ endpoint; in a container the program sees theirs, and tcp:// is not meant for it. */
const char *peer_environment(enum peer p);

enum {
        CLIENT_CONNECT_MS = 5000,
        CLIENT_READ_MS = 60 * 1000,      /* of a question, unless the client is less patient */
        CLIENT_LOOK_MS = 5 * 1000,       /* of a question about health */
        CLIENT_SEND_MS = 10 * 60 * 1000, /* of a body of 64 MiB on a slow line */
        CLIENT_ANSWER = 256 * 1024 * 1024,
};

struct client {
        const struct cli *cli;
        enum peer peer;
        char *base;  /* "http://127.0.0.1:7600" */
        char *token; /* NULL: none */
        void *curl;
        long patience_ms; /* may be set: of a question */
        struct err why;   /* there was no answer */
};

struct answer { /* zeroed is empty */
        long status;
        struct text body;
};
void answer_close(struct answer *a);

/* 0, or the exit status with the error said. `url` NULL: as described above. */
int client_open(struct client *c, const struct cli *cli, enum peer peer, const char *url);
void client_close(struct client *c);

/* The target of a request: begin, then the pairs; a value of NULL is left out, all are escaped. */
void target_begin(struct text *t, const char *path);
void target_add(struct text *t, const char *key, const char *value);
void target_option(struct text *t, const struct cli *c, enum option_id id, const char *key);

/* 0, or a negative code with c->why. `key` (may be NULL) is the Idempotency-Key. */
int client_get(struct client *c, const char *target, struct answer *a);
int client_post(struct client *c, const char *target, const char *type, const char *key, const void *bytes,
                size_t n, struct answer *a);

/* The JSON of an answer. Numbers that are not whole are there as text, digit by digit as they came: a figure
 * never passes through floating point. NULL: it is none. */
json_t *answer_json(const struct answer *a);

/* What is wrong, on stderr; CLI_FAILED. client_no_answer: c->why. client_refused: the errors of a status that
 * is not 2xx, "file:row:column: message (code)" each (`file` NULL: none). client_strange: an answer that no
 * daemon of Sumu gives. */
int client_no_answer(const struct client *c);
int client_refused(const struct client *c, const struct answer *a, const char *file);
int client_strange(const struct client *c, const struct answer *a);

/* Asks, and says all that may go wrong. 0: *json is the answer (NULL `json`: not wanted). */
int client_ask(struct client *c, const char *target, struct answer *a, json_t **json);

/* The text at a key of an object; NULL if there is none. The number likewise; 0 if there is none. */
const char *json_text(const json_t *object, const char *key);
int64_t json_number(const json_t *object, const char *key);

#endif
