/* Two halves: reading a folder with suspicion, and writing one so that it is either whole or not there.
 *
 * Nothing secret passes through ordinary memory but the few buffers on the stack that are wiped before they
 * go. */
#include "loop/keys.h"

#include "base/check.h"
#include "base/log.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

enum { FILE_MOST = 1024, CURVE_BYTES = 32, OFFICE_MOST = 32, TOKEN_LEAST = 16, OFFICE_KEYS_MOST = 99 };

static const mode_t no_read = 077, no_write = 022; /* what others may not have */

static bool office_valid(const char *code)
{
        static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
        size_t n = strlen(code);
        return n >= 1 && n <= OFFICE_MOST && strspn(code, letters) == n;
}

static int office_check(const char *code, struct err *e)
{
        if (office_valid(code))
                return 0;
        return err_set(e, E_USAGE, "\"%.64s\" is not an office code: 1 to 32 of A-Z a-z 0-9 . _ -", code);
}

static int path_of(char out[PATH_MAX], const char *dir, const char *name, struct err *e)
{
        if (snprintf(out, PATH_MAX, "%s/%s", dir, name) < PATH_MAX)
                return 0;
        return err_set(e, E_LIMIT, "the path %.80s… is too long", dir);
}

static int refused(const char *what, const char *path, struct err *e)
{
        return err_set(e, errno == ENOENT ? E_MISSING : E_IO, "cannot %s %s: %s", what, path,
                       strerror(errno));
}

/* ── locked memory ── */

static void *secret_new(size_t n, struct err *e)
{
        static atomic_flag told = ATOMIC_FLAG_INIT;
        void *p = sodium_malloc(n); /* between guard pages, not in core dumps, wiped when freed */
        if (!p) {
                err_set(e, E_MEM, "no memory for a secret");
                return NULL;
        }
        if (sodium_mlock(p, n) != 0 && !atomic_flag_test_and_set(&told))
                log_warn("secrets may be swapped to disk", "do",
                         "raise the limit of locked memory (ulimit -l)", NULL);
        memset(p, 0, n);
        return p;
}

static int sodium_ready(struct err *e)
{
        return sodium_init() < 0 ? err_set(e, E_IO, "libsodium cannot start") : 0;
}

/* ── reading ── */

static int trust(const char *path, const struct stat *st, mode_t forbidden, struct err *e)
{
        if (geteuid() != 0 && st->st_uid != 0 && st->st_uid != geteuid())
                return err_set(e, E_DENIED, "%s belongs to user %u: chown %u %s", path, (unsigned)st->st_uid,
                               (unsigned)geteuid(), path);
        if (st->st_mode & forbidden)
                return err_set(e, E_DENIED, "%s may be %s by others (mode %04o): chmod %s %s", path,
                               forbidden == no_read ? "read" : "written", (unsigned)st->st_mode & 07777,
                               forbidden == no_read ? "600" : "go-w", path);
        return 0;
}

static int folder_trust(const char *path, struct err *e)
{
        struct stat st;
        if (stat(path, &st) != 0)
                return refused("read the folder", path, e);
        if (!S_ISDIR(st.st_mode))
                return err_set(e, E_SYNTAX, "%s is not a folder", path);
        return trust(path, &st, no_write, e);
}

/* `forbidden` 0: from anywhere, it is judged by its content. */
static int fd_check(int fd, const char *path, mode_t forbidden, struct err *e)
{
        struct stat st;
        if (fstat(fd, &st) != 0)
                return refused("read", path, e);
        if (!S_ISREG(st.st_mode))
                return err_set(e, E_SYNTAX, "%s is not a file", path);
        if (st.st_size >= FILE_MOST)
                return err_set(e, E_LIMIT, "%s is too large for a key", path);
        return forbidden ? trust(path, &st, forbidden, e) : 0;
}

/* The whole of a small file, ended by NUL (so is what was read of one that is refused). */
static int small_read(const char *path, mode_t forbidden, char out[FILE_MOST], struct err *e)
{
        out[0] = '\0';
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (fd < 0)
                return refused("read", path, e);
        size_t n = 0;
        ssize_t got = 0;
        int rc = fd_check(fd, path, forbidden, e);
        while (!rc && n < FILE_MOST - 1 &&
               ((got = read(fd, out + n, FILE_MOST - 1 - n)) > 0 || (got < 0 && errno == EINTR)))
                n += got > 0 ? (size_t)got : 0;
        if (!rc && got < 0)
                rc = refused("read", path, e);
        close(fd);
        out[n] = '\0';
        if (!rc && strlen(out) != n)
                rc = err_set(e, E_SYNTAX, "%s is not a text file", path);
        return rc;
}

struct field {
        const char *name;
        char *value;
};

static struct field *field_find(struct field *fields, size_t n, const char *name)
{
        for (size_t i = 0; i < n; i++)
                if (strcmp(fields[i].name, name) == 0)
                        return &fields[i];
        return NULL;
}

/* Cuts `text` into the values of lines "name value": each name once, no other. */
static int fields_cut(char *text, const char *path, struct field *fields, size_t n, struct err *e)
{
        unsigned row = 1;
        for (char *line = text, *next; *line; line = next, row++) {
                next = line + strcspn(line, "\n");
                if (*next)
                        *next++ = '\0';
                line[strcspn(line, "\r")] = '\0';
                if (!*line)
                        continue;
                char *value = strchr(line, ' ');
                if (value)
                        *value++ = '\0';
                struct field *f = value ? field_find(fields, n, line) : NULL;
                if (!f || f->value)
                        return err_set(e, E_SYNTAX, "%s:%u: this line does not belong here", path, row);
                f->value = value;
        }
        for (size_t i = 0; i < n; i++)
                if (!fields[i].value)
                        return err_set(e, E_SYNTAX, "%s has no line \"%s …\"", path, fields[i].name);
        return 0;
}

/* Z85 of 32 bytes, in the one form an encoder writes. */
static bool curve_valid(const char *z85)
{
        uint8_t bytes[CURVE_BYTES];
        char again[CURVE_TEXT];
        bool valid = strlen(z85) == CURVE_TEXT - 1 && zmq_z85_decode(bytes, z85) &&
                     zmq_z85_encode(again, bytes, sizeof bytes) && sodium_memcmp(again, z85, CURVE_TEXT) == 0;
        sodium_memzero(bytes, sizeof bytes);
        sodium_memzero(again, sizeof again);
        return valid;
}

static int curve_copy(char out[CURVE_TEXT], const char *z85, const char *path, struct err *e)
{
        if (!curve_valid(z85))
                return err_set(e, E_SYNTAX, "%s: its CURVE key is not 40 characters of Z85", path);
        memcpy(out, z85, CURVE_TEXT);
        return 0;
}

static int curve_pair_read(char *text, const char *path, struct keys *k, struct err *e)
{
        struct field f[] = {{"public", NULL}, {"secret", NULL}};
        char derived[CURVE_TEXT];
        int rc = fields_cut(text, path, f, 2, e);
        if (!rc)
                rc = curve_copy(k->curve_public, f[0].value, path, e);
        if (!rc && !(k->curve_secret = secret_new(CURVE_TEXT, e)))
                rc = E_MEM;
        if (!rc)
                rc = curve_copy(k->curve_secret, f[1].value, path, e);
        if (!rc && (zmq_curve_public(derived, k->curve_secret) != 0 || strcmp(derived, k->curve_public) != 0))
                rc = err_set(e, E_SYNTAX, "%s: its two halves do not belong together", path);
        return rc;
}

static int sign_pair_read(char *text, const char *path, struct keys *k, struct err *e)
{
        struct field f[] = {{"public", NULL}, {"secret", NULL}};
        uint8_t derived[SIGN_PUBLIC], *again = NULL;
        int rc = fields_cut(text, path, f, 2, e);
        if (!rc && (!(k->sign_secret = secret_new(SIGN_SECRET, e)) || !(again = secret_new(SIGN_SECRET, e))))
                rc = E_MEM;
        if (!rc && (!text_hex_read(f[0].value, k->sign_public, SIGN_PUBLIC) ||
                    !text_hex_read(f[1].value, k->sign_secret, SIGN_SECRET)))
                rc = err_set(e, E_SYNTAX, "%s: its keys are not %d and %d hexadecimal digits", path,
                             2 * SIGN_PUBLIC, 2 * SIGN_SECRET);
        if (!rc) {
                crypto_sign_seed_keypair(derived, again,
                                         k->sign_secret); /* a secret key begins with its seed */
                if (sodium_memcmp(again, k->sign_secret, SIGN_SECRET) != 0 ||
                    memcmp(derived, k->sign_public, SIGN_PUBLIC) != 0)
                        rc = err_set(e, E_SYNTAX, "%s: its two halves do not belong together", path);
        }
        sodium_free(again);
        if (!rc)
                key_id_of(k->sign_public, k->sign_id);
        return rc;
}

static int token_read(char *text, const char *path, struct keys *k, struct err *e)
{
        size_t n = strcspn(text, "\r\n");
        if (text[n + strspn(text + n, "\r\n")] != '\0')
                return err_set(e, E_SYNTAX, "%s has more than one line", path);
        for (size_t i = 0; i < n; i++)
                if (text[i] <= ' ' || text[i] > '~')
                        return err_set(e, E_SYNTAX, "%s has a character that no token has", path);
        if (n < TOKEN_LEAST)
                return err_set(e, E_SYNTAX, "%s is too short: at least %d characters", path, TOKEN_LEAST);
        if (!(k->token = secret_new(n + 1, e)))
                return E_MEM;
        memcpy(k->token, text, n);
        return 0;
}

static int peer_read(char *text, const char *path, char out[CURVE_TEXT], struct err *e)
{
        struct field f = {"curve", NULL};
        int rc = fields_cut(text, path, &f, 1, e);
        return rc ? rc : curve_copy(out, f.value, path, e);
}

static int aggregator_read(char *text, const char *path, struct keys *k, struct err *e)
{
        return peer_read(text, path, k->aggregator, e);
}

static int sink_read(char *text, const char *path, struct keys *k, struct err *e)
{
        return peer_read(text, path, k->sink, e);
}

static const struct part {
        const char *name;
        mode_t forbidden;
        bool required;
        int (*read)(char *text, const char *path, struct keys *k, struct err *e);
} parts[] = {
    {"curve.key", no_read, true, curve_pair_read}, {"sign.key", no_read, false, sign_pair_read},
    {"http.token", no_read, false, token_read},    {"aggregator.pub", no_write, false, aggregator_read},
    {"sink.pub", no_write, false, sink_read},
};

static int part_read(const char *dir, const struct part *part, struct keys *k, struct err *e)
{
        char path[PATH_MAX];
        struct err inner = {0};
        int rc = path_of(path, dir, part->name, e);
        if (rc)
                return rc;
        char *text = secret_new(FILE_MOST, e);
        if (!text)
                return E_MEM;
        rc = small_read(path, part->forbidden, text, &inner);
        if (rc == E_MISSING && !part->required)
                rc = 0;
        else if (rc)
                rc = err_set(e, rc, "%s", inner.text);
        else
                rc = part->read(text, path, k, e);
        sodium_free(text);
        return rc;
}

/* ── the offices' keys ── */

static int office_key_read(const char *path, mode_t forbidden, struct office_key *key, struct err *e)
{
        char text[FILE_MOST];
        struct field f[] = {{"curve", NULL}, {"sign", NULL}};
        int rc = small_read(path, forbidden, text, e);
        if (!rc)
                rc = fields_cut(text, path, f, 2, e);
        if (!rc)
                rc = curve_copy(key->curve, f[0].value, path, e);
        if (!rc && !text_hex_read(f[1].value, key->sign, SIGN_PUBLIC))
                rc = err_set(e, E_SYNTAX, "%s: its sign key is not %d hexadecimal digits", path,
                             2 * SIGN_PUBLIC);
        if (!rc)
                key_id_of(key->sign, key->id);
        return rc;
}

/* The office of CODE.pub or CODE+2.pub; + is in no code. */
static bool office_of(char office[OFFICE_MOST + 1], const char *file)
{
        size_t n = strlen(file), code = strcspn(file, "+");
        if (n < 5 || strcmp(file + n - 4, ".pub") != 0)
                return false;
        if (code == n)
                code -= 4;
        if (code > OFFICE_MOST)
                return false;
        memcpy(office, file, code);
        office[code] = '\0';
        return office_valid(office);
}

static int is_public(const struct dirent *entry)
{
        size_t n = strlen(entry->d_name);
        return n > 4 && strcmp(entry->d_name + n - 4, ".pub") == 0;
}

static int in_order(const struct dirent **a, const struct dirent **b)
{
        return strcmp((*a)->d_name, (*b)->d_name); /* of bytes: alphasort would ask the locale */
}

/* What is done with each CODE.pub of a folder, in order of their names. */
typedef int public_fn(void *ctx, const char *dir, const char *file, const char *office, struct err *e);

static int public_each(const char *dir, public_fn *fn, void *ctx, struct err *e)
{
        struct dirent **found;
        int n = scandir(dir, &found, is_public, in_order), rc = 0;
        if (n < 0)
                return errno == ENOENT ? 0 : refused("read the folder", dir, e);
        for (int i = 0; i < n; i++) {
                char office[OFFICE_MOST + 1];
                if (!rc && !office_of(office, found[i]->d_name))
                        rc =
                            err_set(e, E_SYNTAX, "%s/%s is not named after an office", dir, found[i]->d_name);
                if (!rc)
                        rc = fn(ctx, dir, found[i]->d_name, office, e);
                free(found[i]);
        }
        free(found);
        return rc;
}

static int office_add(void *ctx, const char *dir, const char *file, const char *office, struct err *e)
{
        struct keys *k = ctx;
        char path[PATH_MAX];
        struct office_key key = {0};
        memcpy(key.office, office, strlen(office));
        int rc = path_of(path, dir, file, e);
        if (!rc)
                rc = office_key_read(path, no_write, &key, e);
        for (size_t i = 0; !rc && i < k->n_offices; i++) {
                const struct office_key *other = &k->offices[i];
                bool curve = strcmp(other->curve, key.curve) == 0;
                bool sign =
                    memcmp(other->sign, key.sign, SIGN_PUBLIC) == 0 && strcmp(other->office, office) != 0;
                if (curve || sign)
                        rc = err_set(e, E_SYNTAX, "%s: office %s has this key already", path, other->office);
        }
        if (rc)
                return rc;
        struct office_key *grown = realloc(k->offices, (k->n_offices + 1) * sizeof *grown);
        if (!grown)
                return err_set(e, E_MEM, "no memory for the offices' keys");
        grown[k->n_offices++] = key;
        k->offices = grown;
        return 0;
}

static int offices_read(const char *dir, const char *folder, struct keys *k, struct err *e)
{
        char path[PATH_MAX];
        int rc = path_of(path, dir, folder, e);
        if (rc)
                return rc;
        if (access(path, F_OK) != 0 && errno == ENOENT)
                return 0;
        rc = folder_trust(path, e);
        return rc ? rc : public_each(path, office_add, k, e);
}

int keys_load(const char *dir, struct keys *k, struct err *e)
{
        memset(k, 0, sizeof *k);
        int rc = sodium_ready(e);
        if (!rc)
                rc = folder_trust(dir, e);
        for (size_t i = 0; !rc && i < sizeof parts / sizeof *parts; i++)
                rc = part_read(dir, &parts[i], k, e);
        if (!rc)
                rc = offices_read(dir, "offices", k, e);
        if (rc)
                keys_close(k);
        return rc;
}

void keys_close(struct keys *k)
{
        sodium_free(k->curve_secret);
        sodium_free(k->sign_secret);
        sodium_free(k->token);
        free(k->offices);
        sodium_memzero(k, sizeof *k);
}

void key_id_of(const uint8_t sign[SIGN_PUBLIC], uint8_t id[KEY_ID])
{
        uint8_t hash[32];
        crypto_generichash(hash, sizeof hash, sign, SIGN_PUBLIC, NULL, 0);
        memcpy(id, hash, KEY_ID);
}

const struct office_key *keys_by_curve(const struct keys *k, const char *curve)
{
        for (size_t i = 0; i < k->n_offices; i++)
                if (strcmp(k->offices[i].curve, curve) == 0)
                        return &k->offices[i];
        return NULL;
}

const struct office_key *keys_by_id(const struct keys *k, const char *office, const uint8_t id[KEY_ID])
{
        for (size_t i = 0; i < k->n_offices; i++)
                if (memcmp(k->offices[i].id, id, KEY_ID) == 0 && strcmp(k->offices[i].office, office) == 0)
                        return &k->offices[i];
        return NULL;
}

/* ── writing ── */

static int folder_sync(const char *path, struct err *e)
{
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int rc = fd < 0 || fsync(fd) != 0 ? refused("sync the folder", path, e) : 0;
        if (fd >= 0)
                close(fd);
        return rc;
}

static int folder_new(const char *path, struct err *e)
{
        if (mkdir(path, 0700) == 0 && chmod(path, 0700) == 0)
                return 0;
        return errno == EEXIST ? err_set(e, E_EXISTS, "%s is there already", path)
                               : refused("make the folder", path, e);
}

static int bytes_write(int fd, const char *bytes, size_t n)
{
        while (n > 0) {
                ssize_t put = write(fd, bytes, n);
                if (put < 0 && errno == EINTR)
                        continue;
                if (put < 0)
                        return -1;
                bytes += put;
                n -= (size_t)put;
        }
        return fsync(fd);
}

/* A new file, whatever the umask, on disk when this returns. */
static int file_new(const char *dir, const char *name, mode_t mode, const char *bytes, size_t n,
                    struct err *e)
{
        char path[PATH_MAX];
        int rc = path_of(path, dir, name, e);
        if (rc)
                return rc;
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return errno == EEXIST ? err_set(e, E_EXISTS, "%s is there already", path)
                                       : refused("make", path, e);
        if (fchmod(fd, mode) != 0 || bytes_write(fd, bytes, n) != 0)
                rc = refused("write", path, e);
        close(fd);
        return rc;
}

static int pair_write(const char *dir, const char *name, const char *public_half, const char *secret_half,
                      struct err *e)
{
        char text[FILE_MOST];
        int n = snprintf(text, sizeof text, "public %s\nsecret %s\n", public_half, secret_half);
        POST(n > 0 && n < FILE_MOST);
        int rc = file_new(dir, name, 0600, text, (size_t)n, e);
        sodium_memzero(text, sizeof text);
        return rc;
}

static int curve_new(const char *dir, char public_half[CURVE_TEXT], struct err *e)
{
        char secret_half[CURVE_TEXT];
        int rc = zmq_curve_keypair(public_half, secret_half) != 0
                     ? err_set(e, E_IO, "ZeroMQ makes no keys")
                     : pair_write(dir, "curve.key", public_half, secret_half, e);
        sodium_memzero(secret_half, sizeof secret_half);
        return rc;
}

static int sign_new(const char *dir, uint8_t public_half[SIGN_PUBLIC], struct err *e)
{
        uint8_t secret_half[SIGN_SECRET];
        char public_hex[2 * SIGN_PUBLIC + 1], secret_hex[2 * SIGN_SECRET + 1];
        crypto_sign_keypair(public_half, secret_half);
        sodium_bin2hex(public_hex, sizeof public_hex, public_half, SIGN_PUBLIC);
        sodium_bin2hex(secret_hex, sizeof secret_hex, secret_half, SIGN_SECRET);
        int rc = pair_write(dir, "sign.key", public_hex, secret_hex, e);
        sodium_memzero(secret_half, sizeof secret_half);
        sodium_memzero(secret_hex, sizeof secret_hex);
        return rc;
}

static int token_new(const char *dir, struct err *e)
{
        uint8_t bytes[32];
        char text[sodium_base64_ENCODED_LEN(sizeof bytes, sodium_base64_VARIANT_URLSAFE_NO_PADDING) + 1];
        randombytes_buf(bytes, sizeof bytes);
        sodium_bin2base64(text, sizeof text, bytes, sizeof bytes, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
        size_t n = strlen(text);
        text[n++] = '\n';
        int rc = file_new(dir, "http.token", 0600, text, n, e);
        sodium_memzero(bytes, sizeof bytes);
        sodium_memzero(text, sizeof text);
        return rc;
}

/* STEM.pub of a process (`sign` false) or an office. */
static void public_print(char out[FILE_MOST], const struct office_key *key, bool sign)
{
        char hex[2 * SIGN_PUBLIC + 1];
        sodium_bin2hex(hex, sizeof hex, key->sign, SIGN_PUBLIC);
        if (sign)
                snprintf(out, FILE_MOST, "curve %s\nsign %s\n", key->curve, hex);
        else
                snprintf(out, FILE_MOST, "curve %s\n", key->curve);
}

static int public_write(const char *dir, const char *stem, const struct office_key *key, bool sign,
                        struct err *e)
{
        char text[FILE_MOST], name[NAME_MAX];
        public_print(text, key, sign);
        snprintf(name, sizeof name, "%s.pub", stem);
        return file_new(dir, name, 0644, text, strlen(text), e);
}

/* Fills a new folder with a process's own keys; answers the public half. */
static int process_fill(const char *dir, const char *stem, bool sign, struct office_key *key, struct err *e)
{
        int rc = curve_new(dir, key->curve, e);
        if (!rc && sign)
                rc = sign_new(dir, key->sign, e);
        if (!rc)
                rc = token_new(dir, e);
        if (!rc)
                rc = public_write(dir, stem, key, sign, e);
        return rc;
}

static int removed(const char *path, const struct stat *st, int type, struct FTW *at)
{
        (void)st, (void)type, (void)at;
        remove(path);
        return 0;
}

static void tree_remove(const char *path)
{
        nftw(path, removed, 16, FTW_DEPTH | FTW_PHYS);
}

/* ── a whole set ── */

struct set {
        const char *root;
        const char *const *offices;
        size_t n;
        struct office_key aggregator, sink, *keys; /* keys: of the offices */
};

static int set_process(const struct set *s, const char *folder, const char *stem, bool sign,
                       struct office_key *key, struct err *e)
{
        char dir[PATH_MAX];
        int rc = path_of(dir, s->root, folder, e);
        if (!rc)
                rc = folder_new(dir, e);
        if (!rc)
                rc = process_fill(dir, stem, sign, key, e);
        if (!rc && sign)
                rc = public_write(dir, "aggregator", &s->aggregator, false, e);
        return rc ? rc : folder_sync(dir, e);
}

static int set_office(struct set *s, size_t i, struct err *e)
{
        char folder[64];
        int rc = office_check(s->offices[i], e);
        if (rc)
                return rc;
        snprintf(folder, sizeof folder, "office-%s", s->offices[i]);
        return set_process(s, folder, s->offices[i], true, &s->keys[i], e);
}

/* What HQ's processes know of others. */
static int set_hq(const struct set *s, const char *folder, const char *peer_stem,
                  const struct office_key *peer, struct err *e)
{
        char dir[PATH_MAX], offices[PATH_MAX];
        int rc = path_of(dir, s->root, folder, e);
        if (!rc)
                rc = path_of(offices, dir, "offices", e);
        if (!rc)
                rc = folder_new(offices, e);
        for (size_t i = 0; !rc && i < s->n; i++)
                rc = public_write(offices, s->offices[i], &s->keys[i], true, e);
        if (!rc)
                rc = public_write(dir, peer_stem, peer, false, e);
        if (!rc)
                rc = folder_sync(offices, e);
        return rc ? rc : folder_sync(dir, e);
}

static int set_make(struct set *s, struct err *e)
{
        int rc = set_process(s, "aggregator", "aggregator", false, &s->aggregator, e);
        if (!rc)
                rc = set_process(s, "sink", "sink", false, &s->sink, e);
        for (size_t i = 0; !rc && i < s->n; i++)
                rc = set_office(s, i, e);
        if (!rc)
                rc = set_hq(s, "aggregator", "sink", &s->sink, e);
        if (!rc)
                rc = set_hq(s, "sink", "aggregator", &s->aggregator, e);
        return rc ? rc : folder_sync(s->root, e);
}

/* Puts the finished folder `made` where it belongs. rename replaces an empty folder and nothing else. */
static int folder_land(const char *made, const char *path, struct err *e)
{
        char above[PATH_MAX];
        if (rename(made, path) != 0) {
                if (errno == EBUSY || errno == EXDEV)
                        return err_set(e, E_USAGE, "%s is a mount point: name a folder inside it", path);
                if (errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR)
                        return err_set(e, E_EXISTS, "%s is there already and is not overwritten", path);
                return refused("make", path, e);
        }
        const char *slash = strrchr(path, '/');
        snprintf(above, sizeof above, "%.*s", slash ? (int)(slash - path + 1) : 1, slash ? path : ".");
        return folder_sync(above, e);
}

static bool folder_is_free(const char *path)
{
        struct dirent **found;
        struct stat st;
        if (lstat(path, &st) != 0)
                return true;
        int n = S_ISDIR(st.st_mode) ? scandir(path, &found, NULL, NULL) : -1;
        for (int i = 0; i < n; i++)
                free(found[i]);
        if (n >= 0)
                free(found);
        return n == 2; /* . and .. */
}

int keys_init(const char *out, const char *const *offices, size_t n, struct err *e)
{
        char path[PATH_MAX - 16], made[PATH_MAX];
        size_t len = strlen(out);
        while (len > 1 && out[len - 1] == '/')
                len--;
        if (len == 0 || len >= sizeof path)
                return err_set(e, E_USAGE, "a folder is wanted, not \"%.80s\"", out);
        snprintf(path, sizeof path, "%.*s", (int)len, out);
        snprintf(made, sizeof made, "%s.new-XXXXXX", path);
        if (!folder_is_free(path))
                return err_set(e, E_EXISTS, "%s is there already and is not overwritten", path);
        int rc = sodium_ready(e);
        if (rc)
                return rc;
        struct set s = {.root = made, .offices = offices, .n = n, .keys = calloc(n + 1, sizeof *s.keys)};
        if (!s.keys)
                return err_set(e, E_MEM, "no memory for %zu offices", n);
        if (!mkdtemp(made)) {
                free(s.keys);
                return refused("make", made, e);
        }
        rc = set_make(&s, e);
        if (!rc)
                rc = folder_land(made, path, e);
        if (rc)
                tree_remove(made); /* not there any more if it landed */
        free(s.keys);
        return rc;
}

/* ── offices that come and go ── */

/* HQ's folders under `dir`: its aggregator and sink, or itself. */
struct hq {
        char dirs[2][PATH_MAX];
        size_t n;
};

static int hq_find(const char *dir, struct hq *hq, struct err *e)
{
        static const char *const folders[] = {"aggregator", "sink"};
        char offices[PATH_MAX];
        hq->n = 0;
        for (size_t i = 0; i < 2; i++) {
                char *folder = hq->dirs[hq->n];
                if (path_of(folder, dir, folders[i], e) != 0 || path_of(offices, folder, "offices", e) != 0)
                        return E_LIMIT;
                if (access(offices, F_OK) == 0)
                        hq->n++;
        }
        if (hq->n == 0 && path_of(offices, dir, "offices", e) == 0 && access(offices, F_OK) == 0)
                snprintf(hq->dirs[hq->n++], PATH_MAX, "%s", dir);
        if (hq->n == 0)
                return err_set(e, E_MISSING, "%s has no folder of the aggregator or the sink", dir);
        return 0;
}

/* Some shared file systems of containers do not know RENAME_NOREPLACE. */
static int rename_new(const char *from, const char *to)
{
        if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
                return 0;
        if (errno != EINVAL && errno != ENOSYS)
                return -1;
        if (access(to, F_OK) != 0)
                return rename(from, to);
        errno = EEXIST;
        return -1;
}

/* Moves a file to dir/STEM.pub, or, where that is taken, to dir/STEM+2.pub and so on. */
static int public_move(const char *from, const char *dir, const char *stem, struct err *e)
{
        for (unsigned i = 1; i <= OFFICE_KEYS_MOST; i++) {
                char name[NAME_MAX], to[PATH_MAX];
                if (i == 1)
                        snprintf(name, sizeof name, "%s.pub", stem);
                else
                        snprintf(name, sizeof name, "%s+%u.pub", stem, i);
                int rc = path_of(to, dir, name, e);
                if (rc)
                        return rc;
                if (rename_new(from, to) == 0)
                        return folder_sync(dir, e);
                if (errno != EEXIST)
                        return refused("make", to, e);
        }
        return err_set(e, E_LIMIT, "%s holds too many keys of %s", dir, stem);
}

/* May this key be added to the folder? 1: it is there already, for this office. */
static int enrolled(const char *dir, const struct office_key *key, struct err *e)
{
        struct keys now = {0}, revoked = {0};
        int rc = offices_read(dir, "offices", &now, e);
        if (!rc)
                rc = offices_read(dir, "revoked", &revoked, e);
        if (!rc) {
                const struct office_key *same = keys_by_curve(&now, key->curve);
                if (keys_by_curve(&revoked, key->curve))
                        rc = err_set(e, E_DENIED, "this key was revoked in %s: make a new one", dir);
                else if (same && strcmp(same->office, key->office) != 0)
                        rc = err_set(e, E_EXISTS, "office %s has this key already", same->office);
                else if (same)
                        rc = 1;
        }
        keys_close(&now);
        keys_close(&revoked);
        return rc;
}

static int enrol_in(const char *dir, const struct office_key *key, struct err *e)
{
        char offices[PATH_MAX], made[PATH_MAX], text[FILE_MOST], name[64];
        snprintf(name, sizeof name, ".%s.new", key->office);
        int rc = path_of(offices, dir, "offices", e);
        if (!rc)
                rc = path_of(made, offices, name, e);
        if (rc)
                return rc;
        unlink(made); /* of a run that was stopped */
        public_print(text, key, true);
        rc = file_new(offices, name, 0644, text, strlen(text), e);
        return rc ? rc : public_move(made, offices, key->office, e);
}

int keys_enrol(const char *hq_dir, const char *office, const char *pub_file, struct err *e)
{
        struct hq hq;
        struct office_key key = {0};
        int rc = office_check(office, e);
        if (!rc)
                rc = sodium_ready(e);
        if (!rc)
                rc = office_key_read(pub_file, 0, &key, e);
        if (!rc)
                rc = hq_find(hq_dir, &hq, e);
        if (rc)
                return rc;
        memcpy(key.office, office, strlen(office));
        size_t added = 0;
        for (size_t i = 0; i < hq.n; i++) /* all are asked before one is changed */
                if ((rc = enrolled(hq.dirs[i], &key, e)) < 0)
                        return rc;
        for (size_t i = 0; i < hq.n; i++) {
                if ((rc = enrolled(hq.dirs[i], &key, e)) == 1)
                        continue; /* of a run that was stopped half way */
                if (rc || (rc = enrol_in(hq.dirs[i], &key, e)) != 0)
                        return rc;
                added++;
        }
        return added ? 0 : err_set(e, E_EXISTS, "this key of office %s is enrolled already", office);
}

struct revocation {
        const char *office;
        char revoked[PATH_MAX];
        size_t moved;
};

static int revoke_one(void *ctx, const char *dir, const char *file, const char *office, struct err *e)
{
        struct revocation *r = ctx;
        char from[PATH_MAX];
        if (strcmp(office, r->office) != 0)
                return 0;
        int rc = path_of(from, dir, file, e);
        if (!rc)
                rc = public_move(from, r->revoked, office, e);
        r->moved++;
        return rc ? rc : folder_sync(dir, e);
}

int keys_revoke(const char *hq_dir, const char *office, struct err *e)
{
        struct hq hq;
        struct revocation r = {.office = office};
        int rc = office_check(office, e);
        if (!rc)
                rc = hq_find(hq_dir, &hq, e);
        for (size_t i = 0; !rc && i < hq.n; i++) {
                char offices[PATH_MAX];
                rc = path_of(offices, hq.dirs[i], "offices", e);
                if (!rc)
                        rc = path_of(r.revoked, hq.dirs[i], "revoked", e);
                if (!rc && (rc = folder_new(r.revoked, NULL)) == E_EXISTS)
                        rc = 0;
                if (rc)
                        return refused("make the folder", r.revoked, e);
                rc = public_each(offices, revoke_one, &r, e);
        }
        if (!rc && r.moved == 0)
                rc = err_set(e, E_MISSING, "no key of office %s is enrolled in %s", office, hq_dir);
        return rc;
}

/* The aggregator's public half, where its folder is beside the office's. */
static int aggregator_hand_over(const char *out, const char *office_dir, struct err *e)
{
        char path[PATH_MAX], text[FILE_MOST];
        struct err absent;
        int rc = path_of(path, out, "aggregator/aggregator.pub", e);
        if (rc)
                return rc;
        rc = small_read(path, no_write, text, &absent);
        if (rc == E_MISSING)
                return 0;
        return rc ? err_set(e, rc, "%s", absent.text)
                  : file_new(office_dir, "aggregator.pub", 0644, text, strlen(text), e);
}

static int office_make(const char *out, const char *made, const char *path, const char *office, struct err *e)
{
        struct office_key key = {0};
        int rc = process_fill(made, office, true, &key, e);
        if (!rc)
                rc = aggregator_hand_over(out, made, e);
        if (!rc)
                rc = folder_sync(made, e);
        return rc ? rc : folder_land(made, path, e);
}

int keys_new_office(const char *out, const char *office, struct err *e)
{
        char name[128], path[PATH_MAX], made[PATH_MAX], own[PATH_MAX];
        struct hq hq;
        int rc = office_check(office, e);
        if (!rc)
                rc = sodium_ready(e);
        if (rc)
                return rc;
        if (mkdir(out, 0700) != 0 && errno != EEXIST)
                return refused("make the folder", out, e);
        snprintf(name, sizeof name, "office-%s", office);
        rc = path_of(path, out, name, e);
        if (!rc && !folder_is_free(path))
                rc = err_set(e, E_EXISTS, "%s is there already and is not overwritten", path);
        snprintf(name, sizeof name, ".office-%s.new-XXXXXX", office);
        if (!rc)
                rc = path_of(made, out, name, e);
        if (rc)
                return rc;
        if (!mkdtemp(made))
                return refused("make", made, e);
        rc = office_make(out, made, path, office, e);
        if (rc) {
                tree_remove(made);
                return rc;
        }
        if (hq_find(out, &hq, NULL) != 0)
                return 0; /* its public half goes to HQ by hand */
        snprintf(name, sizeof name, "office-%s/%s.pub", office, office);
        rc = path_of(own, out, name, e);
        return rc ? rc : keys_enrol(out, office, own, e);
}
