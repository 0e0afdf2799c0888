/* world: offices, a line to each, HQ's aggregator and sink, their disks and clocks, in one thread, from one
 * seed (RELIABILITY T1, T13).
 *
 * What runs here is what runs in the daemons: courier, uplink and ledger at an office, hub and cube at HQ,
 * teller at the sink. What is made up is what they stand on: disks (world/disk.h), the network, clocks, and
 * the moments at which something is killed, frozen, cut, filled up, put back from a backup or copied.
 *
 * A run has two halves. In the first anything goes wrong that the seed's options allow. In the second all
 * heals: everything that was accepted must reach the store within a bound, exactly once, each report with its
 * verdict, every total as truth recounts it from what the clerks were promised; then a fresh report of every
 * office has to pass.
 *
 * The parts: branch.c an office, centre.c the aggregator, vault.c the sink, road.c the lines between them,
 * trouble.c what goes wrong, truth.c who was promised what. They share struct world and decide nothing from
 * pointers or clocks of this machine: the same seed is the same run, and `trace` says so. */
#ifndef SUMU_TESTS_WORLD_WORLD_H
#define SUMU_TESTS_WORLD_WORLD_H

#include "collector/courier.h"
#include "session/hub.h"
#include "sink/teller.h"
#include "world/agenda.h"
#include "world/disk.h"
#include "world/options.h"
#include "world/steppe.h"
#include "world/truth.h"

enum {
        WORLD_BRANCHES = 18, /* the offices, and copies of them */
        WORLD_HUBS = 2,
        WORLD_SINK = WORLD_BRANCHES, /* its number among those who have a line */
};

enum happening {
        ARRIVES,     /* with: a letter */
        CONNECTS,    /* who: has a line */
        HEARS_BREAK, /* who */
        UNCUT,       /* who */
        BOOTS,       /* who */
        HUB_BOOTS,   /* who: which hub */
        TICKS,       /* who: branch or sink */
        HUB_TICKS,
        CLERK,   /* stamp: the report of truth */
        TROUBLE, /* stamp: the kind */
        ROOM,    /* who: its disk has room again */
        SKIPS,   /* the operator lets a stream go on; stamp: the branch whose office it is */
        TAKES_OVER,
};

struct clock { /* a wall clock that is wrong; the monotonic one only runs too fast or too slow */
        int64_t offset_us;
        int32_t drift_ppm;
};

struct line { /* from its client to a hub */
        uint8_t hub;
        bool up;     /* in the client's eyes */
        bool broken; /* nothing passes any more; the client hears of it later */
        bool cut;    /* nothing passes and no new connection is made, until it is mended */
        uint32_t conn, hub_life;
        int64_t last_ms[2]; /* arrival of the last letter, up and down: no overtaking in a connection */
};

struct branch { /* an office's machine */
        struct world *w;
        uint16_t at, office; /* in the world, in the catalogue */
        const char *code;
        struct disk *disk;
        struct keys keys;
        struct clock clock;
        struct line line;
        bool alive, taking_over;
        uint32_t life;
        int64_t frozen_ms; /* until then */
        int64_t tick_ms;   /* the next one that is written into the agenda */
        struct outbox outbox;
        struct courier courier;
        const struct catalog *catalog;
        void *backup;
        bool has_backup;
        uint64_t believed; /* the mark that was found in the store */
        uint32_t past;     /* how often its disk was put back: the clerk's promises of before may be gone */
};

struct centre { /* an aggregator */
        struct world *w;
        uint16_t at;
        struct clock clock;
        struct hub *hub; /* NULL: not running */
        bool started;    /* somebody wants it to run */
        uint32_t life;
        int64_t frozen_ms;
        uint32_t sink_conn; /* who said something last; 0: nobody */
        unsigned ticks;
        uint64_t held; /* catalogues in its state folder, by version */
};

struct vault { /* the sink */
        struct world *w;
        struct disk *disk;
        struct clock clock;
        struct line line;
        bool alive;
        uint32_t life;
        int64_t frozen_ms, again_ms;
        struct store store;
        struct teller teller;
        size_t version; /* of the catalogue that is to be in force */
        void *backup;
        bool has_backup, went_back;
};

struct world {
        uint64_t number; /* the seed */
        struct options options;
        struct seed seed;
        struct agenda agenda;
        int64_t now_ms;
        bool calm;
        uint64_t events, trace;
        bool tells; /* prints what happens */
        struct branch branches[WORLD_BRANCHES];
        size_t n_branches;
        struct centre hubs[WORLD_HUBS];
        struct vault vault;
        struct truth truth;
};

/* A whole run. Whatever does not hold ends the process after saying what, the seed and its options. */
struct world_outcome {
        uint64_t events, trace, simulated_ms, drained_ms;
        size_t reports, totals, faults;
};
struct world_outcome world_run(uint64_t seed, bool tells);

/* The canary: in every thousandth seed truth forgets a report that was written, and has to cry out. */
extern bool world_canary;

/* ---- for its parts */

_Noreturn void world_fail(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void world_say(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool world_dice(struct world *w, uint32_t of, uint32_t odds); /* never when calm */
int64_t world_within(struct world *w, int64_t least_ms, int64_t most_ms);
void world_write(struct world *w, int64_t in_ms, enum happening what, uint16_t who, uint32_t stamp);
int64_t world_clock_us(const struct world *w, const struct clock *c);
int64_t world_mono_ms(const struct world *w, const struct clock *c);
void world_note(struct world *w, const void *bytes, size_t n); /* into the trace */

/* branch.c */
void branch_begin(struct world *w, struct branch *b, uint16_t office);
void branch_boot(struct branch *b);
void branch_die(struct branch *b, bool power);
void branch_link(struct branch *b, bool up);
void branch_hear(struct branch *b, const struct wire_bytes *frames, size_t n);
void branch_tick(struct branch *b);
void branch_clerk(struct branch *b, uint32_t report);
void branch_take_over(struct branch *b);
void branch_trim(struct branch *b, int64_t keep_us);
bool branch_drained(struct branch *b);
void branch_end(struct branch *b);
struct branch *branch_copy(struct branch *b); /* NULL: no room for more machines */

/* centre.c */
void centre_boot(struct centre *h);
void centre_die(struct centre *h);
void centre_tick(struct centre *h);
void centre_hear(struct centre *h, uint16_t client, uint32_t conn, const struct wire_bytes *frames, size_t n);

/* vault.c */
void vault_begin(struct world *w);
void vault_boot(struct vault *v);
void vault_die(struct vault *v, bool power);
void vault_link(struct vault *v, bool up);
void vault_hear(struct vault *v, const struct wire_bytes *frames, size_t n);
void vault_tick(struct vault *v);
void vault_skip(struct vault *v, const char *office);
void vault_take_catalog(struct vault *v);
void vault_end(struct vault *v);

/* road.c */
struct letter;
struct line *road_line(struct world *w, uint16_t client);
bool road_post(struct world *w, uint16_t client, bool up, const struct wire_bytes *frames, size_t n);
bool road_open(struct world *w, uint16_t client, uint32_t conn); /* does this connection still stand? */
void road_arrive(struct world *w, struct letter *l);
void road_connect(struct world *w, uint16_t client);
void road_break(struct world *w, uint16_t client); /* the client will hear of it */
void road_hear_break(struct world *w, uint16_t client);
void road_forget(struct letter *l);
int64_t *road_frozen(struct world *w, uint16_t client);

/* trouble.c */
void trouble_plan(struct world *w);
void trouble_strikes(struct world *w, enum fault_kind k);
void trouble_ends(struct world *w); /* all heals */

#endif
