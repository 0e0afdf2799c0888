/* wire: messages between office, aggregator and sink, as plain structs and as bytes (proto/sumu.proto).
 *
 * The only source that knows the generated protobuf header. Reading: a strict pre-walk over the bytes comes
 * first (session/wire_walk.h), then protobuf-c unpacks into the caller's arena, of which one message takes
 * WIRE_ARENA at most. What comes out points into that arena. Codes, and lengths of digests, hashes and ids
 * are checked here, as are the inner agreements of the columns of totals; what is said with them is the
 * machines' business. Dataset and period of a report are any short text: a signed report that makes no sense
 * is to be recorded as rejected, not to stop the stream.
 *
 * Texts that are absent read as "", lists as none of them; NULL is written as absent. A reason whose code
 * this program does not know (HQ is newer) reads as code `rule`, with the unknown name as the rule's, so its
 * sentence still shows it.
 *
 * Writing cannot be refused but for memory (text_failed). The caller keeps to the limits: a message over
 * WIRE_FRAME or a reason without a code is our own mistake. */
#ifndef SUMU_SESSION_WIRE_H
#define SUMU_SESSION_WIRE_H

#include "base/arena.h"
#include "base/err.h"
#include "base/text.h"
#include "core/cube.h"
#include "core/report.h"
#include "session/chain.h"

enum {
        WIRE_MESSAGE = 240 * 1024, /* lists are filled up to this, by the sizes below */
        WIRE_FRAME =
            256 * 1024,         /* no message is larger, with all that is around its lists (ZMQ_MAXMSGSIZE) */
        WIRE_PIECE = 64 * 1024, /* of a catalogue */
        WIRE_DEPTH = 4,
        WIRE_ARENA = 8 * 1024 * 1024,
        WIRE_KEY_ID = 8,
        WIRE_REASONS =
            50, /* of one verdict; the first ones, the rest is only counted in the office's own check */
        WIRE_REASONS_BYTES =
            16 * 1024,           /* of one verdict: so the largest report and its reasons fit one message */
        WIRE_REASON_TEXT = 1000, /* longer arguments are cut */
};

/* KIND(NAME, number, name, member): the number and name in Message.body, the member of struct wire_message.
 */
#define WIRE_KINDS(KIND)                                      \
        KIND(GREETING, 1, greeting, greeting)                 \
        KIND(WELCOME, 2, welcome, welcome)                    \
        KIND(BATCH, 3, batch, batch)                          \
        KIND(MARK, 4, mark, mark)                             \
        KIND(VERDICTS, 5, verdicts, verdicts)                 \
        KIND(HASH_ASK, 6, hash_ask, hash)                     \
        KIND(HASH_IS, 7, hash_is, hash)                       \
        KIND(CATALOG_ASK, 8, catalog_ask, catalog_ask)        \
        KIND(CATALOG_PIECE, 9, catalog_piece, piece)          \
        KIND(REFUSAL, 10, refusal, refusal)                   \
        KIND(HELLO, 20, hello, hello)                         \
        KIND(RESUME, 21, resume, resume)                      \
        KIND(RESUMED, 22, resumed, resumed)                   \
        KIND(FLUSH, 23, flush, flush)                         \
        KIND(FLUSH_PART, 24, flush_part, flush_part)          \
        KIND(COMMITTED, 25, committed, committed)             \
        KIND(RECALL, 26, recall, recall)                      \
        KIND(RECALLED, 27, recalled, recalled)                \
        KIND(RECALLED_PART, 28, recalled_part, recalled_part) \
        KIND(STREAM_ASK, 29, stream_ask, stream)              \
        KIND(STREAM_IS, 30, stream_is, stream)                \
        KIND(VERDICTS_ASK, 31, verdicts_ask, verdicts_ask)    \
        KIND(GAP, 32, gap, gap)

enum wire_kind {
#define KIND(NAME, number, name, member) WIRE_##NAME = number,
        WIRE_KINDS(KIND)
#undef KIND
};
const char *wire_kind_word(enum wire_kind k);

struct wire_bytes {
        const uint8_t *p;
        size_t n;
};

struct wire_wanted {
        struct stream_id stream;
        uint64_t from;
};

struct wire_greeting {
        const char *office;
        struct stream_id stream;
        uint32_t turn;
        uint64_t head, floor;
        struct hash floor_hash;
        bool has_catalog;
        uint8_t catalog[32];
        const struct wire_wanted *wanted;
        size_t n_wanted;
        int64_t clock_us;
        uint64_t version;
        const char *program;
};

struct wire_mark {
        struct stream_id stream;
        uint64_t seq;
        struct hash hash;
        uint64_t version;
        int64_t clock_us;
};

struct wire_welcome {
        struct stream_id stream;
        uint32_t turn, last_turn;
        struct wire_mark mark;
        uint64_t window, life;
        uint8_t catalog[32];
};

struct wire_batch {
        struct stream_id stream;
        uint64_t first;
        struct hash previous;
        const struct envelope *reports;
        size_t n;
        uint8_t signature[SIGNATURE];
        uint8_t key[WIRE_KEY_ID];
};

struct wire_verdict {
        uint64_t seq;
        enum verdict verdict;
        uint32_t revision;
        const struct reason *reasons;
        size_t n_reasons;
};

struct wire_verdicts {
        const char *office;
        struct stream_id stream;
        const struct wire_verdict *v;
        size_t n;
        bool more;
};

struct wire_hash { /* ask and answer */
        const char *office;
        struct stream_id stream;
        uint64_t seq;
        bool known; /* of the answer */
        struct hash hash;
};

struct wire_catalog_ask {
        uint8_t digest[32];
        uint64_t offset;
};

struct wire_piece {
        uint8_t digest[32];
        uint64_t size, offset;
        struct wire_bytes bytes;
};

struct wire_refusal {
        struct stream_id stream;
        const char *code, *text;
        uint64_t seq;
};

struct wire_hello {
        uint64_t version, number;
        const char *program;
};

struct wire_resume {
        uint64_t incarnation, attempt, version;
        uint64_t hello; /* number of the Hello that is answered */
};

struct wire_stream { /* a stream as the store knows it; also StreamAsk (office and stream only) */
        const char *office;
        struct stream_id stream;
        uint32_t turn;
        uint64_t seq;
        struct hash hash;
};

struct wire_resumed {
        uint64_t term, version;
        uint64_t incarnation, attempt; /* of the Resume that is answered */
        uint8_t catalog[32];
        const struct wire_stream *streams;
        size_t n;
        bool more;
};

struct wire_step {
        const char *office;
        struct stream_id stream;
        uint64_t from_seq, to_seq;
        struct hash from_hash, to_hash;
};

struct wire_signature {
        uint32_t step;
        uint64_t seq;
        struct hash hash;
        uint8_t signature[SIGNATURE];
        uint8_t key[WIRE_KEY_ID];
};

struct wire_flush {
        uint64_t term, number;
        const struct wire_step *steps;
        size_t n_steps;
        const struct wire_signature *signatures;
        size_t n_signatures;
        uint32_t parts;
        uint64_t heard;
};

struct wire_taken {
        uint32_t step;
        uint64_t seq;
        struct hash hash;
        struct envelope report;
        enum verdict verdict;
        uint32_t revision;
        const struct reason *reasons, *flags;
        size_t n_reasons, n_flags;
        bool closes;
        int64_t received_at;
        uint32_t rows;
};

struct wire_total {
        const char *region;
        struct cell cell;
};

struct wire_column {
        const char *indicator, *period;
        const struct wire_total *totals;
        size_t n;
};

struct wire_flush_part {
        const struct wire_taken *reports;
        size_t n_reports;
        const struct wire_column *columns;
        size_t n_columns;
};

struct wire_committed {
        uint64_t term, number, version; /* term and number of the flush */
        bool refused, fenced;
        const char *text;
};

struct wire_recall {
        uint64_t id;
        const char *dataset;
        int32_t first, last;
        struct wire_bytes after;
};

struct wire_recalled {
        uint64_t id;
        struct wire_bytes next;
        uint32_t parts;
};

struct wire_standing {
        const char *office;
        struct place at;
        uint32_t revision;
        struct envelope report;
};

struct wire_recalled_part {
        const struct wire_standing *reports;
        size_t n;
};

struct wire_verdicts_ask {
        const char *office;
        struct stream_id stream;
        uint64_t from;
};

struct wire_gap {
        const char *office;
        struct stream_id stream;
        uint64_t mark, floor;
        struct hash floor_hash;
};

struct wire_message {
        enum wire_kind kind;
        union {
                struct wire_greeting greeting;
                struct wire_welcome welcome;
                struct wire_batch batch;
                struct wire_mark mark;
                struct wire_verdicts verdicts;
                struct wire_hash hash; /* ask and is */
                struct wire_catalog_ask catalog_ask;
                struct wire_piece piece;
                struct wire_refusal refusal;
                struct wire_hello hello;
                struct wire_resume resume;
                struct wire_resumed resumed;
                struct wire_flush flush;
                struct wire_flush_part flush_part;
                struct wire_committed committed;
                struct wire_recall recall;
                struct wire_recalled recalled;
                struct wire_recalled_part recalled_part;
                struct wire_stream stream; /* ask and is */
                struct wire_verdicts_ask verdicts_ask;
                struct wire_gap gap;
        };
};

/* 0, E_SYNTAX (not a message of ours; the sentence names the field), E_LIMIT, E_MEM. `m` points into `a` and
 * into nothing else but constant text. */
int wire_read(const uint8_t *bytes, size_t n, struct arena *a, struct wire_message *m, struct err *e);
void wire_write(const struct wire_message *m, struct text *out); /* appends */

/* What an entry adds to its message, for filling messages up to WIRE_MESSAGE. Exact, but for totals: those
 * are the most they can add, with their region's name in the part's dictionary; a column adds WIRE_COLUMN at
 * most around them. */
enum { WIRE_COLUMN = 128 };
size_t wire_envelope_size(const struct envelope *r);
size_t wire_verdict_size(const struct wire_verdict *v);
size_t wire_taken_size(const struct wire_taken *t);
size_t wire_standing_size(const struct wire_standing *s);
size_t wire_total_size(const struct wire_total *t);

#endif
