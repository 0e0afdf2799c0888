#include "world/look.h"

#include "base/check.h"

#include <sqlite3.h>
#include <string.h>

static sqlite3_stmt *ask(struct store *s, const char *sql)
{
        sqlite3_stmt *q;
        int rc = sqlite3_prepare_v2(s->db.handle, sql, -1, &q, NULL);
        POST(rc == SQLITE_OK);
        return q;
}

static bool row(sqlite3_stmt *q)
{
        int rc = sqlite3_step(q);
        POST(rc == SQLITE_ROW || rc == SQLITE_DONE);
        return rc == SQLITE_ROW;
}

static const char *text(sqlite3_stmt *q, int at)
{
        return (const char *)sqlite3_column_text(q, at);
}

static uint64_t number(sqlite3_stmt *q, int at)
{
        return (uint64_t)sqlite3_column_int64(q, at);
}

static void bytes(sqlite3_stmt *q, int at, void *out, size_t n)
{
        POST((size_t)sqlite3_column_bytes(q, at) == n);
        memcpy(out, sqlite3_column_blob(q, at), n);
}

static struct cell cell_at(sqlite3_stmt *q, int at)
{
        return (struct cell){.sum = (__int128)((unsigned __int128)number(q, at) << 64 | number(q, at + 1)),
                             .facts = number(q, at + 2),
                             .about = number(q, at + 3),
                             .at_least = number(q, at + 4)};
}

void look_reports(struct store *s, void (*each)(void *ctx, const struct look_report *r), void *ctx)
{
        sqlite3_stmt *q =
            ask(s, "SELECT r.office, r.dataset, r.period, s.stream, r.turn, r.seq, r.hash, r.action, "
                   "r.verdict, r.revision, r.rows, r.version, r.closed, r.submitted_at, r.received_at, "
                   "r.catalog, r.reasons, r.flags, r.payload "
                   "FROM report_ r JOIN stream_ s ON s.id = r.stream ORDER BY r.id");
        while (row(q)) {
                struct look_report seen = {.office = text(q, 0),
                                           .dataset = text(q, 1),
                                           .period = text(q, 2),
                                           .turn = (uint32_t)number(q, 4),
                                           .seq = number(q, 5),
                                           .action = (enum action)number(q, 7),
                                           .verdict = (enum verdict)number(q, 8),
                                           .revision = (uint32_t)number(q, 9),
                                           .rows = (uint32_t)number(q, 10),
                                           .version = number(q, 11),
                                           .closed = number(q, 12),
                                           .submitted_at = sqlite3_column_int64(q, 13),
                                           .received_at = sqlite3_column_int64(q, 14),
                                           .reasons = text(q, 16),
                                           .flags = text(q, 17),
                                           .payload = sqlite3_column_blob(q, 18),
                                           .payload_n = (size_t)sqlite3_column_bytes(q, 18)};
                bytes(q, 3, seen.stream.b, STREAM_ID);
                bytes(q, 6, seen.hash.b, HASH);
                bytes(q, 15, seen.catalog, sizeof seen.catalog);
                each(ctx, &seen);
        }
        sqlite3_finalize(q);
}

void look_totals(struct store *s, void (*each)(void *ctx, const struct look_total *t), void *ctx)
{
        sqlite3_stmt *q =
            ask(s, "SELECT i.name, r.code, t.period, t.version, t.high, t.low, t.facts, t.about, t.at_least "
                   "FROM total_ t JOIN indicator_ i ON i.id = t.indicator JOIN region_ r ON r.id = t.region "
                   "ORDER BY t.indicator, t.period, t.region");
        while (row(q))
                each(ctx, &(struct look_total){text(q, 0), text(q, 1), sqlite3_column_int64(q, 2),
                                               cell_at(q, 4), number(q, 3)});
        sqlite3_finalize(q);
}

void look_marks(struct store *s, void (*each)(void *ctx, const struct look_mark *m), void *ctx)
{
        sqlite3_stmt *q = ask(s, "SELECT office, stream, turn, seq, hash FROM stream_ ORDER BY id");
        while (row(q)) {
                struct look_mark seen = {
                    .office = text(q, 0), .turn = (uint32_t)number(q, 2), .seq = number(q, 3)};
                bytes(q, 1, seen.stream.b, STREAM_ID);
                bytes(q, 4, seen.hash.b, HASH);
                each(ctx, &seen);
        }
        sqlite3_finalize(q);
}

void look_signatures(struct store *s, void (*each)(void *ctx, const struct look_signature *g), void *ctx)
{
        sqlite3_stmt *q = ask(s, "SELECT s.office, s.stream, g.seq, g.hash, g.signature, g.key FROM "
                                 "signature_ g JOIN stream_ s ON s.id = g.stream ORDER BY g.stream, g.seq");
        while (row(q)) {
                struct look_signature seen = {.office = text(q, 0), .seq = number(q, 2)};
                bytes(q, 1, seen.stream.b, STREAM_ID);
                bytes(q, 3, seen.hash.b, HASH);
                bytes(q, 4, seen.signature, SIGNATURE);
                bytes(q, 5, seen.key, WIRE_KEY_ID);
                each(ctx, &seen);
        }
        sqlite3_finalize(q);
}

void look_skips(struct store *s, void (*each)(void *ctx, const struct look_skip *k), void *ctx)
{
        sqlite3_stmt *q =
            ask(s, "SELECT office, stream, from_seq, to_seq, version, to_hash FROM skip_ ORDER BY id");
        while (row(q)) {
                struct look_skip seen = {
                    .office = text(q, 0), .from = number(q, 2), .to = number(q, 3), .version = number(q, 4)};
                bytes(q, 1, seen.stream.b, STREAM_ID);
                bytes(q, 5, seen.to_hash.b, HASH);
                each(ctx, &seen);
        }
        sqlite3_finalize(q);
}

void look_facts(struct store *s, void (*each)(void *ctx, const struct look_fact *f), void *ctx)
{
        sqlite3_stmt *q =
            ask(s, "SELECT f.office, f.dataset, r.code, i.name, f.period, f.value, f.revision, f.qualifier "
                   "FROM fact_ f JOIN indicator_ i ON i.id = f.indicator JOIN region_ r ON r.id = f.region "
                   "ORDER BY f.indicator, f.period, f.region, f.office");
        while (row(q))
                each(ctx, &(struct look_fact){.office = text(q, 0),
                                              .dataset = text(q, 1),
                                              .region = text(q, 2),
                                              .indicator = text(q, 3),
                                              .period = sqlite3_column_int64(q, 4),
                                              .value = sqlite3_column_int64(q, 5),
                                              .revision = sqlite3_column_int64(q, 6),
                                              .qualifier = (enum qualifier)number(q, 7)});
        sqlite3_finalize(q);
}

bool look_catalog(struct store *s, uint8_t digest[32])
{
        sqlite3_stmt *q = ask(s, "SELECT digest FROM catalog_ ORDER BY version DESC LIMIT 1");
        bool found = row(q);
        if (found)
                bytes(q, 0, digest, 32);
        sqlite3_finalize(q);
        return found;
}

bool look_total(struct store *s, const char *indicator, const char *region, struct period p,
                struct cell *cell)
{
        sqlite3_stmt *q =
            ask(s, "SELECT t.high, t.low, t.facts, t.about, t.at_least FROM total_ t WHERE t.indicator = "
                   "(SELECT id FROM indicator_ WHERE name = ?1) AND t.region = (SELECT id FROM region_ WHERE "
                   "code = ?2) AND t.period = ?3");
        sqlite3_bind_text(q, 1, indicator, -1, SQLITE_STATIC);
        sqlite3_bind_text(q, 2, region, -1, SQLITE_STATIC);
        sqlite3_bind_int64(q, 3, period_id(p));
        bool found = row(q);
        if (found)
                *cell = cell_at(q, 0);
        sqlite3_finalize(q);
        return found;
}
