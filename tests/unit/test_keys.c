#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "loop/keys.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

/* Each test has a folder of its own, gone afterwards. */

static char scratch[] = "/tmp/sumu-test-keys-XXXXXX";

static const char *in(const char *name)
{
        static char paths[8][PATH_MAX];
        static unsigned next;
        char *path = paths[next++ % 8];
        snprintf(path, PATH_MAX, "%s/%s", scratch, name);
        return path;
}

static int forget(const char *path, const struct stat *st, int type, struct FTW *at)
{
        (void)st, (void)type, (void)at;
        return remove(path);
}

static int set_up(void **state)
{
        (void)state;
        memcpy(scratch + sizeof scratch - 7, "XXXXXX", 6);
        return mkdtemp(scratch) ? 0 : -1;
}

static int tear_down(void **state)
{
        (void)state;
        return nftw(scratch, forget, 16, FTW_DEPTH | FTW_PHYS);
}

static void write_file(const char *name, const char *text, mode_t mode)
{
        FILE *f = fopen(in(name), "w");
        assert_non_null(f);
        fputs(text, f);
        fclose(f);
        chmod(in(name), mode);
}

static void read_file(const char *name, char out[1024])
{
        FILE *f = fopen(in(name), "r");
        assert_non_null(f);
        out[fread(out, 1, 1023, f)] = '\0';
        fclose(f);
}

static bool is_there(const char *name)
{
        return access(in(name), F_OK) == 0;
}

static mode_t mode_of(const char *name)
{
        struct stat st;
        assert_int_equal(stat(in(name), &st), 0);
        return st.st_mode & 07777;
}

static const char *const two[] = {"150100", "150200"};

static void init_two(void)
{
        struct err e = {0};
        assert_int_equal(keys_init(in("K"), two, 2, &e), 0);
}

static struct keys load(const char *name)
{
        struct keys k;
        struct err e = {0};
        int rc = keys_load(in(name), &k, &e);
        if (rc)
                fail_msg("%s", e.text);
        return k;
}

/* ── a set ── */

static void a_set_fits_together(void **state)
{
        (void)state;
        mode_t was = umask(0);
        init_two();
        umask(was);
        struct keys hq = load("K/aggregator"), sink = load("K/sink"), city = load("K/office-150200");

        assert_string_equal(city.aggregator, hq.curve_public);
        assert_string_equal(sink.aggregator, hq.curve_public);
        assert_string_equal(hq.sink, sink.curve_public);
        assert_string_equal(city.sink, "");
        assert_int_equal(hq.n_offices, 2);
        assert_int_equal(sink.n_offices, 2);
        assert_int_equal(city.n_offices, 0);
        assert_string_equal(hq.offices[0].office, "150100");
        assert_null(hq.sign_secret);

        const struct office_key *office = keys_by_curve(&hq, city.curve_public);
        assert_string_equal(office->office, "150200");
        assert_memory_equal(office->sign, city.sign_public, SIGN_PUBLIC);
        assert_memory_equal(office->id, city.sign_id, KEY_ID);
        assert_ptr_equal(keys_by_id(&hq, "150200", city.sign_id), office);
        assert_null(keys_by_id(&hq, "150100", city.sign_id));
        assert_null(keys_by_curve(&hq, sink.curve_public));

        uint8_t signature[crypto_sign_BYTES];
        crypto_sign_detached(signature, NULL, (const uint8_t *)"report", 6, city.sign_secret);
        assert_int_equal(crypto_sign_verify_detached(signature, (const uint8_t *)"report", 6, office->sign),
                         0);
        assert_true(strlen(city.token) == 43 && strcmp(city.token, hq.token) != 0);

        assert_int_equal(mode_of("K"), 0700);
        assert_int_equal(mode_of("K/office-150200"), 0700);
        assert_int_equal(mode_of("K/aggregator/offices"), 0700);
        assert_int_equal(mode_of("K/office-150200/curve.key"), 0600);
        assert_int_equal(mode_of("K/office-150200/sign.key"), 0600);
        assert_int_equal(mode_of("K/office-150200/http.token"), 0600);
        keys_close(&hq);
        keys_close(&sink);
        keys_close(&city);
        keys_close(&city); /* harmless */
}

static void nobodys_secret_is_elsewhere(void **state)
{
        (void)state;
        init_two();
        assert_false(is_there("K/aggregator/sign.key"));
        char secret[1024], public_half[1024];
        read_file("K/office-150200/curve.key", secret);
        read_file("K/aggregator/offices/150200.pub", public_half);
        char *half = strstr(secret, "secret ") + 7;
        half[40] = '\0';
        assert_null(strstr(public_half, half));
}

static int entries(const char *name)
{
        int n = 0;
        DIR *dir = opendir(in(name));
        while (readdir(dir))
                n++;
        closedir(dir);
        return n - 2;
}

static void init_is_all_or_nothing(void **state)
{
        (void)state;
        struct err e = {0};
        static const char *const bad[] = {"150100", "../150200"}, *const twice[] = {"150100", "150100"};
        assert_int_equal(keys_init(in("K"), bad, 2, &e), E_USAGE);
        assert_int_equal(keys_init(in("K"), twice, 2, &e), E_EXISTS);
        assert_int_equal(keys_init(in("no/such/K"), two, 2, &e), E_MISSING);
        assert_int_equal(entries(""), 0); /* nothing half done is left */

        mkdir(in("K"), 0700); /* an empty folder is as good as none */
        assert_int_equal(keys_init(in("K/"), two, 2, &e), 0);
        assert_int_equal(entries(""), 1);
        char before[1024], after[1024];
        read_file("K/sink/curve.key", before);
        assert_int_equal(keys_init(in("K"), two, 2, &e), E_EXISTS);
        read_file("K/sink/curve.key", after);
        assert_string_equal(before, after);
        write_file("file", "", 0600);
        assert_int_equal(keys_init(in("file"), two, 2, &e), E_EXISTS);
}

/* ── what is refused ── */

struct fault {
        const char *file, *text; /* text NULL: only the mode */
        mode_t mode;
        int code;
        const char *says;
};

static const struct fault faults[] = {
    {"curve.key", NULL, 0640, E_DENIED, "chmod 600"},
    {"curve.key", NULL, 0604, E_DENIED, "may be read by others (mode 0604)"},
    {"sign.key", NULL, 0644, E_DENIED, "sign.key may be read"},
    {"http.token", NULL, 0666, E_DENIED, "http.token"},
    {"aggregator.pub", NULL, 0664, E_DENIED, "may be written by others"},
    {"", NULL, 0777, E_DENIED, "may be written by others"},
    {"curve.key", "", 0600, E_SYNTAX, "no line \"public"},
    {"curve.key", "public abc\n", 0600, E_SYNTAX, "no line \"secret"},
    {"curve.key", "public a\npublic b\n", 0600, E_SYNTAX, "curve.key:2"},
    {"curve.key", "public a\nsecret b\ncomment c\n", 0600, E_SYNTAX, "curve.key:3"},
    {"curve.key", "public short\nsecret short\n", 0600, E_SYNTAX, "40 characters"},
    {"curve.key",
     "public JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6\nsecret JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6\n",
     0600, E_SYNTAX, "do not belong together"},
    {"curve.key",
     "public ~TKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6\nsecret JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6\n",
     0600, E_SYNTAX, "Z85"},
    {"curve.key",
     "public #####%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6a\nsecret #####%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6a\n",
     0600, E_SYNTAX, "Z85"}, /* over 32 bits */
    {"sign.key", "public 00\nsecret 00\n", 0600, E_SYNTAX, "hexadecimal"},
    {"sign.key",
     "public 0000000000000000000000000000000000000000000000000000000000000000\n"
     "secret 0000000000000000000000000000000000000000000000000000000000000000"
     "0000000000000000000000000000000000000000000000000000000000000000\n",
     0600, E_SYNTAX, "do not belong together"},
    {"http.token", "short\n", 0600, E_SYNTAX, "too short"},
    {"http.token", "one long enough line\nand another\n", 0600, E_SYNTAX, "more than one line"},
    {"http.token", "with a space inside it\n", 0600, E_SYNTAX, "character"},
    {"aggregator.pub", "curve x\n", 0644, E_SYNTAX, "aggregator.pub"},
};

static void faults_are_named(void **state)
{
        (void)state;
        init_two();
        for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
                const struct fault *f = &faults[i];
                struct err e = {0};
                struct keys k;
                char name[128], good[1024] = "";
                snprintf(name, sizeof name, "K/office-150200/%s", f->file);
                mode_t was = mode_of(name);
                if (f->text) {
                        read_file(name, good);
                        write_file(name, f->text, f->mode);
                } else {
                        chmod(in(name), f->mode);
                }
                int rc = keys_load(in("K/office-150200"), &k, &e);
                if (rc != f->code || !strstr(e.text, f->says) || !strstr(e.text, scratch))
                        fail_msg("%zu: %d, %s", i, rc, e.text);
                assert_null(k.curve_secret); /* nothing is kept */
                if (f->text)
                        write_file(name, good, was);
                chmod(in(name), was);
        }
        struct keys k = load("K/office-150200");
        keys_close(&k);
}

static void absent_and_odd_files(void **state)
{
        (void)state;
        struct err e = {0};
        struct keys k;
        init_two();
        assert_int_equal(keys_load(in("nowhere"), &k, &e), E_MISSING);
        remove(in("K/office-150200/http.token"));
        remove(in("K/office-150200/aggregator.pub"));
        k = load("K/office-150200");
        assert_null(k.token);
        assert_string_equal(k.aggregator, "");
        keys_close(&k);

        char text[1024], windows[1200] = "", *line = windows;
        read_file("K/office-150200/curve.key", text);
        for (const char *c = text; *c; c++)
                line += sprintf(line, *c == '\n' ? "\r\n" : "%c", *c);
        write_file("K/office-150200/curve.key", windows, 0600); /* went through an editor on Windows */
        k = load("K/office-150200");
        keys_close(&k);

        remove(in("K/office-150200/curve.key"));
        assert_int_equal(keys_load(in("K/office-150200"), &k, &e), E_MISSING);
        assert_non_null(strstr(e.text, "curve.key"));
        mkfifo(in("K/office-150200/curve.key"), 0600); /* must not wait for a writer */
        assert_int_equal(keys_load(in("K/office-150200"), &k, &e), E_SYNTAX);
        remove(in("K/office-150200/curve.key"));
        char *large = malloc(5000);
        memset(large, 'x', 4999);
        large[4999] = '\0';
        write_file("K/office-150200/curve.key", large, 0600);
        free(large);
        assert_int_equal(keys_load(in("K/office-150200"), &k, &e), E_LIMIT);
}

static void one_key_of_two_offices(void **state)
{
        (void)state;
        struct err e = {0};
        struct keys k;
        char text[1024];
        init_two();
        read_file("K/aggregator/offices/150100.pub", text);
        write_file("K/aggregator/offices/150300.pub", text, 0644);
        assert_int_equal(keys_load(in("K/aggregator"), &k, &e), E_SYNTAX);
        assert_non_null(strstr(e.text, "150100"));
        remove(in("K/aggregator/offices/150300.pub"));
        write_file("K/aggregator/offices/not an office.pub", text, 0644);
        assert_int_equal(keys_load(in("K/aggregator"), &k, &e), E_SYNTAX);
        remove(in("K/aggregator/offices/not an office.pub"));
        write_file("K/aggregator/offices/README", "what this is", 0644);
        chmod(in("K/aggregator/offices"), 0770);
        assert_int_equal(keys_load(in("K/aggregator"), &k, &e), E_DENIED);
}

/* In a process of its own: another user, and no locked memory. */
static void limits_of_a_service_user(void **state)
{
        (void)state;
        if (geteuid() != 0)
                skip();
        init_two();
        chmod(scratch, 0755);
        chmod(in("K"), 0755);
        pid_t child = fork();
        if (child == 0) {
                struct err e = {0};
                struct keys k;
                const struct rlimit none = {0, 0};
                int bad = setrlimit(RLIMIT_MEMLOCK, &none) != 0;
                nftw(in("K/sink"), forget, 16, FTW_DEPTH | FTW_PHYS);
                bad |= chown(in("K/aggregator"), 12345, 12345) != 0;
                bad |= chown(in("K/aggregator/curve.key"), 12345, 12345) != 0;
                bad |= chown(in("K/aggregator/http.token"), 12345, 12345) != 0;
                bad |= chown(in("K/aggregator/offices"), 12345, 12345) != 0;
                bad |= chown(in("K/office-150100"), 54321, 54321) != 0;
                bad |= chmod(in("K/office-150100"), 0755) != 0;
                bad |= setgid(12345) != 0 || setuid(12345) != 0;
                bad |= keys_load(in("K/aggregator"), &k, &e) !=
                       0; /* works without locked memory, with root's .pub */
                keys_close(&k);
                bad |= keys_load(in("K/office-150100"), &k, &e) != E_DENIED || !strstr(e.text, "chown 12345");
                _exit(bad);
        }
        int status;
        waitpid(child, &status, 0);
        assert_int_equal(status, 0);
}

/* ── offices that come and go ── */

static void a_new_office(void **state)
{
        (void)state;
        struct err e = {0};
        init_two();
        assert_int_equal(keys_new_office(in("K"), "150300", &e), 0);
        assert_int_equal(keys_new_office(in("K"), "150300", &e), E_EXISTS);
        assert_int_equal(keys_new_office(in("K"), "15/03", &e), E_USAGE);
        struct keys hq = load("K/aggregator"), sink = load("K/sink"), city = load("K/office-150300");
        assert_string_equal(keys_by_curve(&hq, city.curve_public)->office, "150300");
        assert_string_equal(keys_by_curve(&sink, city.curve_public)->office, "150300");
        assert_string_equal(city.aggregator, hq.curve_public);
        assert_int_equal(entries("K"), 5);
        keys_close(&hq);
        keys_close(&sink);
        keys_close(&city);
}

static void an_office_that_keeps_its_secrets(void **state)
{
        (void)state;
        struct err e = {0};
        init_two();
        assert_int_equal(keys_new_office(in("own"), "150300", &e), 0); /* on its own machine */
        assert_false(is_there("own/office-150300/aggregator.pub"));
        assert_int_equal(keys_enrol(in("K"), "150300", in("own/office-150300/150300.pub"), &e), 0);
        assert_int_equal(keys_enrol(in("K"), "150300", in("own/office-150300/150300.pub"), &e), E_EXISTS);
        assert_int_equal(keys_enrol(in("K"), "150400", in("own/office-150300/150300.pub"), &e), E_EXISTS);
        assert_non_null(strstr(e.text, "150300"));
        assert_int_equal(keys_enrol(in("own"), "150300", in("own/office-150300/150300.pub"), &e), E_MISSING);
        assert_int_equal(keys_enrol(in("K"), "150400", in("own/office-150300/curve.key"), &e), E_SYNTAX);
        struct keys hq = load("K/aggregator"), city = load("own/office-150300");
        assert_string_equal(keys_by_curve(&hq, city.curve_public)->office, "150300");
        keys_close(&hq);
        keys_close(&city);
}

/* Stopped between aggregator and sink: the next run does the rest. */
static void half_an_enrolment_is_completed(void **state)
{
        (void)state;
        struct err e = {0};
        init_two();
        assert_int_equal(keys_new_office(in("own"), "150300", &e), 0);
        assert_int_equal(keys_enrol(in("K/aggregator"), "150300", in("own/office-150300/150300.pub"), &e), 0);
        write_file("K/sink/offices/.150300.new", "curve half", 0600);
        struct keys sink = load("K/sink");
        assert_int_equal(sink.n_offices, 2);
        keys_close(&sink);
        assert_int_equal(keys_enrol(in("K"), "150300", in("own/office-150300/150300.pub"), &e), 0);
        sink = load("K/sink");
        assert_int_equal(sink.n_offices, 3);
        keys_close(&sink);
        assert_false(is_there("K/sink/offices/.150300.new"));
}

static void changing_a_key(void **state)
{
        (void)state;
        struct err e = {0};
        init_two();
        assert_int_equal(keys_new_office(in("own"), "150200", &e), 0);
        assert_int_equal(keys_enrol(in("K"), "150200", in("own/office-150200/150200.pub"), &e), 0);
        assert_true(is_there("K/aggregator/offices/150200+2.pub"));
        struct keys hq = load("K/aggregator"), before = load("K/office-150200"),
                    after = load("own/office-150200");
        assert_int_equal(hq.n_offices, 3);
        assert_string_equal(keys_by_curve(&hq, before.curve_public)->office, "150200"); /* both hold */
        assert_string_equal(keys_by_curve(&hq, after.curve_public)->office, "150200");
        assert_non_null(keys_by_id(&hq, "150200", before.sign_id));
        assert_non_null(keys_by_id(&hq, "150200", after.sign_id));
        keys_close(&hq);
        keys_close(&before);
        keys_close(&after);
}

static void revoking(void **state)
{
        (void)state;
        struct err e = {0};
        init_two();
        assert_int_equal(keys_revoke(in("K"), "150300", &e), E_MISSING);
        assert_int_equal(keys_revoke(in("K"), "150200", &e), 0);
        assert_int_equal(keys_revoke(in("K"), "150200", &e), E_MISSING);
        assert_true(is_there("K/aggregator/revoked/150200.pub") && is_there("K/sink/revoked/150200.pub"));
        struct keys hq = load("K/aggregator");
        assert_int_equal(hq.n_offices, 1);
        assert_string_equal(hq.offices[0].office, "150100");
        keys_close(&hq);
        assert_int_equal(keys_enrol(in("K"), "150200", in("K/office-150200/150200.pub"), &e),
                         E_DENIED); /* stays out */

        assert_int_equal(keys_new_office(in("own"), "150200", &e),
                         0); /* a new one comes in, and goes as well */
        assert_int_equal(keys_enrol(in("K"), "150200", in("own/office-150200/150200.pub"), &e), 0);
        assert_int_equal(keys_revoke(in("K"), "150200", &e), 0);
        assert_true(is_there("K/aggregator/revoked/150200.pub") &&
                    is_there("K/aggregator/revoked/150200+2.pub"));
}

int main(void)
{
#define KEYS(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
        const struct CMUnitTest tests[] = {
            KEYS(a_set_fits_together),
            KEYS(nobodys_secret_is_elsewhere),
            KEYS(init_is_all_or_nothing),
            KEYS(faults_are_named),
            KEYS(absent_and_odd_files),
            KEYS(one_key_of_two_offices),
            KEYS(limits_of_a_service_user),
            KEYS(a_new_office),
            KEYS(an_office_that_keeps_its_secrets),
            KEYS(half_an_enrolment_is_completed),
            KEYS(changing_a_key),
            KEYS(revoking),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
