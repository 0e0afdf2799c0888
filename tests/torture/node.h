/* node: one of the programs with the machine it runs on: its line, its disk, its power, and somebody who
 * starts it again.
 *
 * The ground is what all of them stand on. With privileges (root, or a user namespace) every node has a
 * network namespace, joined to the aggregator's by a veth pair, and a small disk: ext4 on a loop device,
 * whose power can be cut, or a tmpfs where loop devices are not to be had. They live in namespaces of this
 * process, so nothing of them outlasts it, and two runs never meet. Without privileges all share the loopback
 * and the folder's disk, and lines and disks cannot be touched.
 *
 * Verbs that do harm may be given to a node in any state and in any order; each has its cure, which is
 * harmless where nothing is wrong. All are called from the main thread, but node_call.
 */
#ifndef SUMU_TORTURE_NODE_H
#define SUMU_TORTURE_NODE_H

#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { NODE_PATH = 320, NODES_MOST = 8 };

enum ground_disk { DISK_SHARED, DISK_TMPFS, DISK_EXT4 };

struct ground {
        char dir[NODE_PATH]; /* holds everything; set by ground_open */
        bool lines;          /* lines can be cut */
        enum ground_disk disk;
        bool keep;      /* the folder outlasts the run */
        char poor[160]; /* why not all is possible; "" if it is */
};

extern struct ground ground;

/* Makes the folder, and namespaces if `namespaces` and they are to be had. Before any thread is started. */
void ground_open(bool namespaces);
void ground_close(void); /* removes the folder, unless it is to be kept */

struct node {
        const char *name, *program;
        char config[NODE_PATH], home[NODE_PATH], log[NODE_PATH], image[NODE_PATH];
        uint16_t port;                  /* of its HTTP, on a loopback of its own */
        int net;                        /* network namespace; -1: everybody's */
        pid_t pid;                      /* 0: not running */
        int64_t started_ms, gave_up_ms; /* the latter 0 while it runs, or is meant not to */
        bool frozen, mounted, full, cut;
        bool strained;     /* its disk was full since all was well: it may give up, and is started again */
        unsigned restarts; /* after it had given up */
        long log_read;     /* of its log, by node_log */
};

/* A machine with a disk of so many MiB. `name` and `program` are kept. */
void node_init(struct node *n, const char *name, const char *program, unsigned disk_mib);
void node_close(struct node *n); /* kills it and takes its disk away */

/* A line between two nodes; answers where `to` is seen from `from`. */
void node_join(struct node *from, struct node *to, unsigned number, char address[32]);

void node_start(struct node *n); /* does not wait for anything */
void node_kill(struct node *n);
void node_end(struct node *n); /* SIGTERM, and it has to end well */
void node_freeze(struct node *n);
void node_thaw(struct node *n);
void node_fill(struct node *n, uint64_t left); /* its disk, but for so many bytes */
void node_free(struct node *n);
void node_power_off(struct node *n); /* what was not synced is lost */
void node_power_on(struct node *n);  /* and started */

enum cut { CUT_ALL, CUT_IN, CUT_OUT, CUT_RESET };
void node_cut(struct node *n, enum cut how);
void node_join_again(struct node *n);

/* Somebody who starts it again when it has ended by itself; whoever ends without a strained disk, and not by
 * an assertion of libzmq's, fails the run. */
void node_tend(struct node *n);

/* What it logged since the last call: lines; fails if a sanitizer spoke. */
unsigned node_log(struct node *n);

/* HTTP from the node's own machine, from any thread. Answers the status; 0: no answer within the patience.
 * `reply` may be NULL. */
int node_call(const struct node *n, const char *method, const char *path, const char *idempotency_key,
              const char *body, long patience_ms, struct text *reply);

/* A shell command on the node's machine (NULL: on the ground); answers its exit status. */
int node_shell(const struct node *n, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

uint16_t port_free(void);

#endif
