#include "scene.h"

#include "lib/law.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_value(crypto_generichash_state *h, sqlite3_stmt *s, int at)
{
        struct {
                int64_t type, n;
        } head = {sqlite3_column_type(s, at), sqlite3_column_bytes(s, at)};
        int64_t number = sqlite3_column_int64(s, at);
        bool is_number = head.type == SQLITE_INTEGER;
        const void *bytes = is_number ? &number : sqlite3_column_blob(s, at);
        if (is_number)
                head.n = sizeof number;
        crypto_generichash_update(h, (const uint8_t *)&head, sizeof head);
        if (head.n)
                crypto_generichash_update(h, bytes, (size_t)head.n);
}

static int refused(struct db *db, sqlite3_stmt *s, struct err *e)
{
        sqlite3_finalize(s);
        return err_set(e, E_IO, "reading everything: %s", sqlite3_errmsg(db->handle));
}

static int print_rows(struct db *db, const char *sql, crypto_generichash_state *h, struct err *e)
{
        sqlite3_stmt *s = NULL;
        int rc = sqlite3_prepare_v2(db->handle, sql, -1, &s, NULL);
        if (rc != SQLITE_OK)
                return refused(db, s, e);
        crypto_generichash_update(h, (const uint8_t *)sql, strlen(sql) + 1);
        while ((rc = sqlite3_step(s)) == SQLITE_ROW)
                for (int i = 0; i < sqlite3_column_count(s); i++)
                        print_value(h, s, i);
        if (rc != SQLITE_DONE)
                return refused(db, s, e);
        sqlite3_finalize(s);
        return 0;
}

static uint64_t finish(crypto_generichash_state *h)
{
        uint64_t out[2];
        crypto_generichash_final(h, (uint8_t *)out, sizeof out);
        return out[0];
}

int scene_print_of(struct db *db, const char *const *queries, uint64_t *print, struct err *e)
{
        crypto_generichash_state h;
        int code = 0;
        crypto_generichash_init(&h, NULL, 0, 2 * sizeof *print);
        for (; code == 0 && *queries; queries++)
                code = print_rows(db, *queries, &h, e);
        *print = finish(&h);
        return code;
}

int scene_print(struct db *db, uint64_t *print, struct err *e)
{
        static const char tables[] = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";
        crypto_generichash_state h;
        sqlite3_stmt *s = NULL;
        int code = 0, rc = sqlite3_prepare_v2(db->handle, tables, -1, &s, NULL);
        crypto_generichash_init(&h, NULL, 0, 2 * sizeof *print);
        while (rc == SQLITE_OK && code == 0 && (rc = sqlite3_step(s)) == SQLITE_ROW) {
                char sql[128]; /* in the order of its key */
                snprintf(sql, sizeof sql, "SELECT * FROM \"%s\" NOT INDEXED",
                         (const char *)sqlite3_column_text(s, 0));
                code = print_rows(db, sql, &h, e);
                rc = SQLITE_OK;
        }
        if (code == 0 && rc != SQLITE_DONE)
                return refused(db, s, e);
        sqlite3_finalize(s);
        *print = finish(&h);
        return code;
}

bool scene_is_sound(struct db *db)
{
        sqlite3_stmt *s = NULL;
        bool sound = sqlite3_prepare_v2(db->handle, "PRAGMA integrity_check", -1, &s, NULL) == SQLITE_OK &&
                     sqlite3_step(s) == SQLITE_ROW &&
                     strcmp((const char *)sqlite3_column_text(s, 0), "ok") == 0;
        sqlite3_finalize(s);
        return sound;
}

void stage_open(struct stage *s)
{
        scratch_open(s->folder);
        snprintf(s->path, sizeof s->path, "%s/it.db", s->folder);
        s->platter = platter_new(s->folder);
}

void stage_close(struct stage *s)
{
        platter_free(s->platter);
        scratch_close(s->folder);
        *s = (struct stage){0};
}

static uint64_t print_of(const struct scene *scene, void *at, size_t step)
{
        struct err e;
        uint64_t print;
        if (scene_print(scene->db(at), &print, &e) < 0)
                fail_msg("%s, before step %zu: %s", scene->name, step, e.text);
        scene->agree(at, step);
        return print;
}

uint64_t *scene_prints(const struct scene *scene)
{
        struct stage stage;
        struct err e;
        uint64_t *prints = calloc(scene->steps + 1, sizeof *prints);
        stage_open(&stage);
        void *at = scene->open(stage.path, &e);
        if (!prints || !at)
                fail_msg("%s: %s", scene->name, e.text);
        for (size_t i = 0; i < scene->steps; i++) {
                prints[i] = print_of(scene, at, i);
                if (scene->step(at, i, &e) != 0)
                        fail_msg("%s, step %zu: %s", scene->name, i, e.text);
        }
        prints[scene->steps] = print_of(scene, at, scene->steps);
        scene->close(at);
        stage_close(&stage);
        return prints;
}
