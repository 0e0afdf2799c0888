/* hostile_peer: those whom siege.sh sends against the daemons. One word, one kind of peer; each ends by
 * itself, says on stdout how many malformed frames it has sent, and fails where it was told something that
 * was not for it. */
#ifndef SUMU_TESTS_HOSTILE_PEER_H
#define SUMU_TESTS_HOSTILE_PEER_H

#include <stddef.h>
#include <stdint.h>

/* Random bytes that are the same in every run. */
uint64_t any(void);
void any_bytes(void *p, size_t n);

_Noreturn void give_up(const char *doing);

/* A connection to 127.0.0.1, from an address of this machine; dial: from one that no honest program uses. */
int dial_from(uint32_t address, unsigned port);
int dial(unsigned port);

/* raw.c: without a key */
int hold(char **arg);    /* PORT N: connections that say nothing, until stdin ends */
int greet(char **arg);   /* PORT N: greetings that are none, or of other mechanisms and versions */
int dribble(char **arg); /* PORT N SECONDS: a good greeting, a byte at a time; all must be cut off by then */
int http(char **arg);    /* PORT N: requests that are none */
int loris(char **arg);   /* PORT N: HTTP heads that do not end, until stdin ends */
int honest(
    char **arg); /* PORT REGION N: reports to a collector, each until it is accepted; how long it took */

/* insider.c: with CURVE */
int stranger(char **arg); /* ENDPOINT KEYS N: keys nobody enrolled, and another server's */
int insider(char **arg);  /* ENDPOINT KEYS OFFICE N: an enrolled office that sends what makes no sense */
int crowd(char **arg);    /* ENDPOINT KEYS OFFICE N BYTES: messages of N frames */
int trespass(
    char **arg); /* ENDPOINT KEYS OFFICE CATALOG OWN FOREIGN N: signed reports, repeated and disordered */

#endif
