/* Runs the stories: tests/stories/NN-*.md. A fenced block names a machine and how it starts; a line at the
 * margin is an event, the indented lines below it are exactly what the machine must then do (the trace it
 * prints).
 *
 *     SUMU_STORIES=show ./stories_test_machines       prints every block as the machines play it now
 *
 * Points of a chain are written 3, or 3b for another chain with the same numbers. Times: "after 10s" moves
 * the clock and ticks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/text.h"
#include "session/downlink.h"
#include "session/feed.h"
#include "session/uplink.h"

#include <dirent.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REPORTS = 32, WORDS = 12 };

static const char *const payloads[2] = {"report", "other"};
static uint8_t sign_public[32], sign_secret[64];

struct stage { /* of one block */
        char machine[16];
        const char *office;
        struct stream_id stream;
        int64_t now_ms;
        struct hash chain[2][REPORTS]; /* [branch][seq] */
        struct envelope reports[2][REPORTS];
        struct uplink uplink;
        struct downlink downlink;
        struct downlink_stream known;
        bool is_known;
        uint32_t last_turn;
        struct feed feed;
        struct feed_sink sink;
        struct text trace;
};

/* ---- words */

static size_t split(char *line, char *words[WORDS])
{
        size_t n = 0;
        for (char *w = strtok(line, " "); w && n < WORDS; w = strtok(NULL, " "))
                words[n++] = w;
        return n;
}

static const char *option(char *const *words, size_t n, const char *key)
{
        size_t len = strlen(key);
        for (size_t i = 0; i < n; i++)
                if (strncmp(words[i], key, len) == 0 && words[i][len] == '=')
                        return words[i] + len + 1;
        return NULL;
}

static uint64_t number(char *const *words, size_t n, const char *key, uint64_t otherwise)
{
        const char *v = option(words, n, key);
        return v ? strtoull(v, NULL, 10) : otherwise;
}

static bool has(char *const *words, size_t n, const char *word)
{
        for (size_t i = 0; i < n; i++)
                if (strcmp(words[i], word) == 0)
                        return true;
        return false;
}

static struct point point_of(const struct stage *s, const char *text)
{
        char *end;
        uint64_t seq = strtoull(text, &end, 10);
        assert_true(seq < REPORTS);
        return (struct point){seq, s->chain[*end == 'b'][seq]};
}

/* ---- stages */

static void set_chain(struct stage *s)
{
        for (int b = 0; b < 2; b++) {
                s->chain[b][0] = chain_start(s->office, s->stream);
                for (uint64_t i = 1; i < REPORTS; i++) {
                        s->reports[b][i] = (struct envelope){.submitted_at = (int64_t)i,
                                                             .dataset = "gunexp",
                                                             .period = "2023-09-19",
                                                             .payload = (const uint8_t *)payloads[b],
                                                             .payload_n = strlen(payloads[b])};
                        s->chain[b][i] =
                            chain_next(s->office, s->stream, i, s->chain[b][i - 1], &s->reports[b][i]);
                }
        }
}

static struct uplink_start uplink_start(const struct stage *s, char *const *w, size_t n)
{
        const char *head = option(w, n, "head"), *floor = option(w, n, "floor"), *mark = option(w, n, "mark");
        return (struct uplink_start){.office = s->office,
                                     .stream = s->stream,
                                     .turn = (uint32_t)number(w, n, "turn", 0),
                                     .head = point_of(s, head ? head : "0"),
                                     .floor = point_of(s, floor ? floor : "0"),
                                     .mark = point_of(s, mark ? mark : "0"),
                                     .decided = number(w, n, "decided", mark ? strtoull(mark, NULL, 10) : 0),
                                     .older_wait = has(w, n, "older-wait"),
                                     .older_held = has(w, n, "older-held"),
                                     .closed = has(w, n, "closed"),
                                     .has_catalog = !has(w, n, "no-catalogue")};
}

static void begin(struct stage *s, char *const *w, size_t n)
{
        memset(s, 0, sizeof *s);
        snprintf(s->machine, sizeof s->machine, "%s", w[0]);
        s->office = "150200";
        s->stream = (struct stream_id){{1}};
        s->now_ms = 1000;
        set_chain(s);
        if (strcmp(s->machine, "uplink") == 0) {
                struct uplink_start start = uplink_start(s, w, n);
                uplink_init(&s->uplink, &start);
        }
        downlink_init(&s->downlink, s->office);
        feed_init(&s->feed, 7);
}

/* ---- the office's end */

static struct wire_mark mark_message(const struct stage *s, const char *text, char *const *w, size_t n)
{
        struct point p = point_of(s, text);
        return (struct wire_mark){
            .stream = s->stream, .seq = p.seq, .hash = p.hash, .version = number(w, n, "version", 1)};
}

static void uplink_event(struct stage *s, char **w, size_t n)
{
        struct uplink_event ev = {.kind = UPLINK_MESSAGE, .now_ms = s->now_ms};
        struct wire_message m = {0};
        struct wire_verdict verdict;
        struct uplink_start start;
        static const struct stream_id older = {{99}};
        static uint8_t digest[32], bytes[100];
        ev.message = &m;
        if (strcmp(w[0], "link") == 0) {
                ev.kind = strcmp(w[1], "up") == 0 ? UPLINK_LINK_UP : UPLINK_LINK_DOWN;
        } else if (strcmp(w[0], "grew") == 0) {
                ev.kind = UPLINK_GREW;
                ev.point = point_of(s, w[1]);
        } else if (strcmp(w[0], "trimmed") == 0) {
                ev.kind = UPLINK_TRIMMED;
                ev.point = point_of(s, w[1]);
        } else if (strcmp(w[0], "looked") == 0) {
                ev.kind = UPLINK_LOOKED_UP;
                ev.point = point_of(s, w[2]);
                ev.known = true;
        } else if (strcmp(w[0], "sent") == 0) {
                ev.kind = UPLINK_SENT;
                ev.seq = strtoull(w[1], NULL, 10);
                ev.bytes = number(w, n, "bytes", 1000);
        } else if (strcmp(w[0], "opened") == 0) {
                ev.kind = UPLINK_STREAM_OPENED;
                s->stream.b[0]++;
                set_chain(s);
                start = uplink_start(s, w, n);
                ev.start = &start;
        } else if (strcmp(w[0], "catalogue") == 0) {
                ev.kind = UPLINK_CATALOG_KEPT;
                memset(digest, 9, sizeof digest);
                ev.catalog = digest;
        } else if (strcmp(w[0], "after") == 0) {
                ev.kind = UPLINK_TICK;
                ev.now_ms = s->now_ms += (int64_t)(strtod(w[1], NULL) * 1000);
        } else if (strcmp(w[0], "welcome") == 0) {
                m.kind = WIRE_WELCOME;
                m.welcome = (struct wire_welcome){.stream = s->stream,
                                                  .turn = (uint32_t)number(w, n, "turn", 1),
                                                  .last_turn =
                                                      (uint32_t)number(w, n, "last", number(w, n, "turn", 1)),
                                                  .mark = mark_message(s, option(w, n, "mark"), w, n),
                                                  .window = number(w, n, "window", DOWNLINK_WINDOW),
                                                  .life = number(w, n, "life", 1)};
                memset(m.welcome.catalog, has(w, n, "new-catalogue") ? 9 : 0, sizeof m.welcome.catalog);
        } else if (strcmp(w[0], "mark") == 0) {
                m.kind = WIRE_MARK;
                m.mark = mark_message(s, w[1], w, n);
        } else if (strcmp(w[0], "hash") == 0) {
                struct point p = point_of(s, w[1]);
                m.kind = WIRE_HASH_IS;
                m.hash = (struct wire_hash){
                    .stream = s->stream, .seq = p.seq, .known = !has(w, n, "unknown"), .hash = p.hash};
        } else if (strcmp(w[0], "verdict") == 0) {
                verdict = (struct wire_verdict){.seq = strtoull(w[1], NULL, 10),
                                                .verdict = has(w, n, "rejected") ? REJECTED : ACCEPTED,
                                                .revision = (uint32_t)number(w, n, "revision", 1)};
                m.kind = WIRE_VERDICTS;
                m.verdicts = (struct wire_verdicts){.stream = has(w, n, "older") ? older : s->stream,
                                                    .v = &verdict,
                                                    .n = 1,
                                                    .more = has(w, n, "more")};
        } else if (strcmp(w[0], "decided") == 0) {
                ev.kind = UPLINK_OLDER_DECIDED;
        } else if (strcmp(w[0], "refusal") == 0) {
                m.kind = WIRE_REFUSAL;
                m.refusal = (struct wire_refusal){.stream = s->stream, .code = w[1], .text = "refused by HQ"};
        } else if (strcmp(w[0], "piece") == 0) {
                m.kind = WIRE_CATALOG_PIECE;
                m.piece = (struct wire_piece){.size = number(w, n, "of", 100),
                                              .offset = number(w, n, "at", 0),
                                              .bytes = {bytes, number(w, n, "bytes", 50)}};
                memset(m.piece.digest, 9, sizeof m.piece.digest);
        } else {
                fail_msg("an uplink knows no event \"%s\"", w[0]);
        }
        struct uplink_todo todo;
        uplink_step(&s->uplink, &ev, &todo);
        uplink_trace(&s->uplink, &todo, &s->trace);
        if (!uplink_is_last(&s->uplink))
                text_add(&s->trace, "takes no new input\n");
}

/* ---- HQ's end */

static void downlink_event(struct stage *s, char **w, size_t n)
{
        struct downlink_event ev = {
            .kind = DOWNLINK_MESSAGE, .last_turn = s->last_turn, .sign_public = sign_public};
        struct wire_message m = {0};
        struct wire_wanted wanted = {s->stream, number(w, n, "wanted", 0)};
        static const uint8_t digest[32];
        ev.catalog = digest;
        ev.message = &m;
        if (strcmp(w[0], "greeting") == 0) {
                const char *floor = option(w, n, "floor"), *office = option(w, n, "office");
                struct point f = point_of(s, floor ? floor : "0");
                m.kind = WIRE_GREETING;
                m.greeting = (struct wire_greeting){.office = office ? office : s->office,
                                                    .stream = s->stream,
                                                    .turn = (uint32_t)number(w, n, "turn", 0),
                                                    .head = number(w, n, "head", 0),
                                                    .floor = f.seq,
                                                    .floor_hash = f.hash,
                                                    .wanted = &wanted,
                                                    .n_wanted = wanted.from ? 1 : 0};
        } else if (strcmp(w[0], "stream") == 0) {
                ev.kind = DOWNLINK_STREAM;
                s->is_known = true;
                s->known =
                    (struct downlink_stream){.id = s->stream, .turn = (uint32_t)number(w, n, "turn", 1)};
                s->known.mark = s->known.taken = point_of(s, option(w, n, "mark"));
                ev.last_turn = s->last_turn = (uint32_t)number(w, n, "last", s->known.turn);
        } else if (strcmp(w[0], "batch") == 0) {
                uint64_t first = strtoull(w[1], NULL, 10), last = strtoull(strstr(w[1], "..") + 2, NULL, 10);
                int b = w[1][strlen(w[1]) - 1] == 'b';
                m.kind = WIRE_BATCH;
                m.batch = (struct wire_batch){.stream = s->stream,
                                              .first = first,
                                              .previous = s->chain[b][first - 1],
                                              .reports = &s->reports[b][first],
                                              .n = last - first + 1};
                chain_sign(s->office, s->stream, last, s->chain[b][last], sign_secret, m.batch.signature);
                if (has(w, n, "forged"))
                        m.batch.signature[0] ^= 1;
                if (has(w, n, "stranger"))
                        ev.sign_public = NULL;
        } else if (strcmp(w[0], "taken") == 0) {
                ev.kind = DOWNLINK_TAKEN;
                ev.taken = point_of(s, w[1]);
        } else if (strcmp(w[0], "committed") == 0) {
                ev.kind = DOWNLINK_COMMITTED;
                s->known.mark = point_of(s, w[1]);
        } else if (strcmp(w[0], "forget") == 0) {
                ev.kind = DOWNLINK_FORGET;
                s->is_known = false;
        } else if (strcmp(w[0], "hash") == 0) {
                m.kind = WIRE_HASH_ASK;
                m.hash = (struct wire_hash){.stream = s->stream, .seq = strtoull(w[2], NULL, 10)};
        } else {
                fail_msg("a downlink knows no event \"%s\"", w[0]);
        }
        ev.stream = s->is_known ? &s->known : NULL;
        struct downlink_todo todo;
        downlink_step(&s->downlink, &ev, &todo);
        downlink_trace(&s->downlink, &todo, &s->trace);
}

/* ---- aggregator and sink */

static void feed_event(struct stage *s, char **w, size_t n)
{
        struct feed_event ev = {.kind = FEED_MESSAGE, .now_ms = s->now_ms};
        struct wire_message m = {0};
        struct wire_stream streams[4] = {0};
        static uint8_t bytes[100];
        ev.message = &m;
        if (strcmp(w[0], "hello") == 0) {
                m.kind = WIRE_HELLO;
                m.hello.version = number(w, n, "version", 0);
                m.hello.number = number(w, n, "number", s->feed.hello + 1);
        } else if (strcmp(w[0], "resumed") == 0) {
                m.kind = WIRE_RESUMED;
                m.resumed = (struct wire_resumed){.term = number(w, n, "term", 1),
                                                  .incarnation = 7,
                                                  .attempt = number(w, n, "attempt", s->feed.attempt),
                                                  .version = number(w, n, "version", 0),
                                                  .streams = streams,
                                                  .n = number(w, n, "streams", 0),
                                                  .more = has(w, n, "more")};
        } else if (strcmp(w[0], "piece") == 0) {
                m.kind = WIRE_CATALOG_PIECE;
                m.piece = (struct wire_piece){.size = number(w, n, "of", 100),
                                              .offset = number(w, n, "at", 0),
                                              .bytes = {bytes, number(w, n, "bytes", 50)}};
        } else if (strcmp(w[0], "committed") == 0 || strcmp(w[0], "refused") == 0) {
                m.kind = WIRE_COMMITTED;
                m.committed = (struct wire_committed){.term = number(w, n, "term", s->feed.term),
                                                      .number = strtoull(w[1], NULL, 10),
                                                      .refused = w[0][0] == 'r',
                                                      .fenced = has(w, n, "fenced")};
        } else if (strcmp(w[0], "held") == 0) {
                ev.kind = FEED_CATALOG_HELD;
        } else if (strcmp(w[0], "flush") == 0) {
                ev.kind = FEED_FLUSH_SENT;
        } else if (strcmp(w[0], "asked") == 0) {
                ev.kind = FEED_RECALL_SENT;
        } else if (strcmp(w[0], "answered") == 0) {
                ev.kind = FEED_RECALLED;
        } else if (strcmp(w[0], "lost") == 0) {
                ev.kind = FEED_LOST;
        } else if (strcmp(w[0], "after") == 0) {
                ev.kind = FEED_TICK;
                ev.now_ms = s->now_ms += (int64_t)(strtod(w[1], NULL) * 1000);
        } else {
                fail_msg("a feed knows no event \"%s\"", w[0]);
        }
        struct feed_todo todo;
        feed_step(&s->feed, &ev, &todo);
        feed_trace(&s->feed, &todo, &s->trace);
}

static void sink_event(struct stage *s, char **w, size_t n)
{
        struct feed_sink_event ev = {.kind = FEED_SINK_MESSAGE, .now_ms = s->now_ms};
        struct wire_message m = {0};
        ev.message = &m;
        if (strcmp(w[0], "link") == 0) {
                ev.kind = strcmp(w[1], "up") == 0 ? FEED_SINK_LINK_UP : FEED_SINK_LINK_DOWN;
        } else if (strcmp(w[0], "resume") == 0) {
                m.kind = WIRE_RESUME;
                m.resume = (struct wire_resume){.version = number(w, n, "version", 0),
                                                .hello = number(w, n, "hello", s->sink.hello),
                                                .incarnation = number(w, n, "of", 7),
                                                .attempt = number(w, n, "attempt", s->sink.attempt + 1)};
        } else if (strcmp(w[0], "opened") == 0) {
                ev.kind = FEED_SINK_TERM_OPENED;
                ev.term = number(w, n, "term", 1);
        } else if (strcmp(w[0], "flush") == 0) {
                m.kind = WIRE_FLUSH;
                m.flush.heard = number(w, n, "heard", 0);
        } else if (strcmp(w[0], "recall") == 0) {
                m.kind = WIRE_RECALL;
        } else if (strcmp(w[0], "knock") == 0) {
                ev.kind = FEED_SINK_KNOCK;
        } else if (strcmp(w[0], "again") == 0) {
                ev.kind = FEED_SINK_AGAIN;
        } else if (strcmp(w[0], "after") == 0) {
                ev.kind = FEED_SINK_TICK;
                ev.now_ms = s->now_ms += (int64_t)(strtod(w[1], NULL) * 1000);
        } else {
                fail_msg("a sink knows no event \"%s\"", w[0]);
        }
        struct feed_sink_todo todo;
        feed_sink_step(&s->sink, &ev, &todo);
        feed_sink_trace(&s->sink, &todo, &s->trace);
}

struct stored {
        struct stage *stage;
        struct point mark;
        bool known;
};

static bool stored_mark(void *ctx, const struct wire_step *step, uint64_t *seq, struct hash *hash)
{
        (void)step;
        const struct stored *s = ctx;
        *seq = s->mark.seq;
        *hash = s->mark.hash;
        return s->known;
}

/* judge stored=3 term=2 | flush term=2 from=3 to=5 */
static void judge_event(struct stage *s, char **w, size_t n)
{
        const char *mark = option(w, n, "stored");
        struct stored stored = {s, point_of(s, mark ? mark : "0"), mark != NULL};
        struct point from = point_of(s, option(w, n, "from")), to = point_of(s, option(w, n, "to"));
        struct wire_step step = {.office = s->office,
                                 .stream = s->stream,
                                 .from_seq = from.seq,
                                 .from_hash = from.hash,
                                 .to_seq = to.seq,
                                 .to_hash = to.hash};
        struct wire_flush flush = {.term = number(w, n, "term", 1), .steps = &step, .n_steps = 1};
        bool fenced;
        const char *why = feed_judge(&flush, number(w, n, "store-term", 1), stored_mark, &stored, &fenced);
        text_printf(&s->trace, "%s%s\n", why ? why : "commit", fenced ? " (fenced)" : "");
}

static void event(struct stage *s, char *line)
{
        char *w[WORDS];
        size_t n = split(line, w);
        if (strcmp(s->machine, "uplink") == 0)
                uplink_event(s, w, n);
        else if (strcmp(s->machine, "downlink") == 0)
                downlink_event(s, w, n);
        else if (strcmp(s->machine, "feed") == 0)
                feed_event(s, w, n);
        else if (strcmp(s->machine, "sink") == 0)
                sink_event(s, w, n);
        else if (strcmp(s->machine, "flush") == 0)
                judge_event(s, w, n);
        else
                fail_msg("there is no machine \"%s\"", s->machine);
}

/* ---- reading the files */

static bool ours(const char *fence)
{
        static const char *const machines[] = {"uplink", "downlink", "feed", "sink", "flush"};
        for (size_t i = 0; i < sizeof machines / sizeof *machines; i++) {
                size_t len = strlen(machines[i]);
                if (strncmp(fence, machines[i], len) == 0 && (fence[len] == ' ' || fence[len] == '\0'))
                        return true;
        }
        return false;
}

/* Plays one file; answers how many events differed. */
static unsigned play(const char *path, unsigned *events)
{
        FILE *f = fopen(path, "r");
        assert_non_null(f);
        struct stage s = {0};
        struct text want = {0};
        char line[512], last[512] = "";
        bool inside = false, show = getenv("SUMU_STORIES") != NULL;
        unsigned differ = 0, at = 0, last_at = 0;
        for (bool more = true; more;) {
                more = fgets(line, sizeof line, f) != NULL;
                at++;
                line[strcspn(line, "\n")] = '\0';
                bool is_event = more && inside && line[0] != ' ' && line[0] != '`' && line[0];
                bool ends = !more || (inside && strncmp(line, "```", 3) == 0);
                if ((is_event || ends) && last[0]) {
                        if (show)
                                printf("%s\n%s", last, text_c(&s.trace));
                        if (strcmp(text_c(&want), text_c(&s.trace)) != 0) {
                                differ++;
                                print_error("%s:%u: %s\nwanted:\n%sbut the machine said:\n%s", path, last_at,
                                            last, text_c(&want), text_c(&s.trace));
                        }
                        last[0] = '\0';
                }
                if (ends) {
                        inside = false;
                } else if (!inside && strncmp(line, "```", 3) == 0 && ours(line + 3)) {
                        char *w[WORDS];
                        text_close(&s.trace);
                        size_t n = split(line + 3, w);
                        begin(&s, w, n);
                        inside = true;
                } else if (is_event) {
                        snprintf(last, sizeof last, "%s", line);
                        last_at = at;
                        text_clear(&want);
                        text_clear(&s.trace);
                        event(&s, line);
                        (*events)++;
                } else if (inside && line[0]) {
                        text_add(&want, line + strspn(line, " "));
                        text_char(&want, '\n');
                }
        }
        text_close(&want);
        text_close(&s.trace);
        fclose(f);
        return differ;
}

static int is_story(const struct dirent *d)
{
        size_t n = strlen(d->d_name);
        return n > 3 && strcmp(d->d_name + n - 3, ".md") == 0 && d->d_name[0] >= '0' && d->d_name[0] <= '9';
}

static void stories(void **state)
{
        (void)state;
        struct dirent **v;
        int n = scandir("tests/stories", &v, is_story, alphasort);
        unsigned differ = 0, events = 0;
        assert_true(n > 0);
        for (int i = 0; i < n; i++) {
                char path[512];
                snprintf(path, sizeof path, "tests/stories/%s", v[i]->d_name);
                differ += play(path, &events);
                free(v[i]);
        }
        free(v);
        assert_true(events > 50);
        assert_int_equal(differ, 0);
}

int main(void)
{
        static const uint8_t seed[32] = {1, 2, 3};
        if (sodium_init() < 0)
                return 1;
        crypto_sign_seed_keypair(sign_public, sign_secret, seed);
        const struct CMUnitTest tests[] = {cmocka_unit_test(stories)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
