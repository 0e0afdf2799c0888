/* check: what must hold, in every build.
 *
 * PRE states what a caller owes, POST what a function owes. A broken one is our own mistake: the process
 * stops with a sentence on stderr, and the two durable ends replay what it had not finished. Input from
 * outside is never checked with these.
 *
 * Memory. What runs out of it says so: false, NULL, E_MEM, PAYLOAD_MEMORY, or a sticky failure (text, arena,
 * reasons, faults), and what it was asked to change is as it was. Only those stop the process who hold
 * nothing that the durable ends do not have, and have no one to tell:
 *
 *     session/hub.c, session/gather.c    all of the aggregator's work; it starts empty anyway
 *     session/wire.c, the sizes          they are asked while a message is being filled
 *     sink/store.c, sink/presence.c      between begin and commit: the transaction is rolled back
 *     the daemons' starts
 *
 * tests/laws/test_memory.c refuses every allocation of the pure rooms once, and from it on. */
#ifndef SUMU_BASE_CHECK_H
#define SUMU_BASE_CHECK_H

_Noreturn void check_failed(const char *what, const char *expr, const char *file, int line);

#define PRE(expr) ((expr) ? (void)0 : check_failed("precondition", #expr, __FILE__, __LINE__))
#define POST(expr) ((expr) ? (void)0 : check_failed("postcondition", #expr, __FILE__, __LINE__))
#define UNREACHABLE() check_failed("unreachable", "reached", __FILE__, __LINE__)

#endif
