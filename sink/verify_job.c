#include "sink/verify_job.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

struct verify_job {
        uv_mutex_t lock;
        uv_cond_t changed;
        uv_thread_t thread;
        bool started, running, stopping; /* started: there is a thread to join */
        uint64_t run;
        struct verify_ask ask;
        char *path;
        struct catalog *catalog;
        struct verify verify;
        int rc;
        struct err e;
};

struct verify_job *verify_job_new(void)
{
        struct verify_job *j = calloc(1, sizeof *j);
        if (!j || uv_mutex_init(&j->lock) != 0) {
                free(j);
                return NULL;
        }
        if (uv_cond_init(&j->changed) != 0) {
                uv_mutex_destroy(&j->lock);
                free(j);
                return NULL;
        }
        return j;
}

static void run(void *ctx)
{
        struct verify_job *j = ctx;
        int rc = verify_run(&j->verify, &j->ask, &j->e);
        uv_mutex_lock(&j->lock);
        j->rc = rc;
        j->running = false;
        uv_cond_broadcast(&j->changed);
        uv_mutex_unlock(&j->lock);
}

/* What the last run left. With the lock held and nothing running, so joining does not wait. */
static void clear(struct verify_job *j)
{
        if (j->started)
                uv_thread_join(&j->thread);
        j->started = false;
        verify_close(&j->verify);
        memset(&j->verify, 0, sizeof j->verify);
        catalog_free(j->catalog);
        j->catalog = NULL;
        free(j->path);
        j->path = NULL;
}

/* A run that cannot begin is a run that has failed. */
static void begin(struct verify_job *j, const struct verify_ask *ask)
{
        struct faults faults = {0};
        clear(j);
        j->run++;
        j->rc = 0;
        j->catalog = catalog_unpack(ask->catalog->pack.v, ask->catalog->pack.n, &faults);
        faults_close(&faults);
        j->path = strdup(ask->path);
        j->ask = *ask;
        j->ask.path = j->path;
        j->ask.catalog = j->catalog;
        if (j->stopping)
                j->rc = err_set(&j->e, E_BUSY, "the sink is stopping");
        else if (!j->catalog || !j->path)
                j->rc = err_set(&j->e, E_MEM, "out of memory");
        else if (uv_thread_create(&j->thread, run, j) != 0)
                j->rc = err_set(&j->e, E_BUSY, "no thread can be started");
        else
                j->started = j->running = true;
}

static void wait_a_moment(struct verify_job *j, uint64_t wanted)
{
        uint64_t until = uv_hrtime() + VERIFY_JOB_WAIT_MS * UINT64_C(1000000), now;
        while (j->running && j->run == wanted && !j->stopping && (now = uv_hrtime()) < until)
                uv_cond_timedwait(&j->changed, &j->lock, until - now);
}

static int tell(struct verify_job *j, uint64_t wanted, enum lang lang, struct text *out, struct err *e)
{
        if (j->run != wanted || !j->run)
                return VERIFY_JOB_UNKNOWN;
        if (j->running) {
                text_printf(out, "{\"run\":%llu,\"state\":\"running\",\"totals\":%llu,\"reports\":%llu}",
                            (unsigned long long)j->run, (unsigned long long)j->verify.totals,
                            (unsigned long long)j->verify.reports);
                return VERIFY_JOB_RUNNING;
        }
        if (j->rc != 0)
                return err_set(e, j->rc, "%s", j->e.text);
        text_printf(out, "{\"run\":%llu,\"state\":\"done\",", (unsigned long long)j->run);
        verify_print(&j->verify, lang, out);
        text_add(out, "}");
        return VERIFY_JOB_DONE;
}

int verify_job_ask(struct verify_job *j, const struct verify_ask *ask, uint64_t *wanted, enum lang lang,
                   struct text *out, struct err *e)
{
        uv_mutex_lock(&j->lock);
        if (!*wanted) {
                if (!j->running)
                        begin(j, ask);
                *wanted = j->run;
        }
        wait_a_moment(j, *wanted);
        int rc = tell(j, *wanted, lang, out, e);
        uv_mutex_unlock(&j->lock);
        return rc;
}

void verify_job_stop(struct verify_job *j)
{
        uv_mutex_lock(&j->lock);
        j->stopping = true;
        atomic_store(&j->verify.stop, true);
        uv_cond_broadcast(&j->changed);
        uv_mutex_unlock(&j->lock);
}

void verify_job_free(struct verify_job *j)
{
        if (!j)
                return;
        clear(j);
        uv_cond_destroy(&j->changed);
        uv_mutex_destroy(&j->lock);
        free(j);
}
