/* check: what must hold, in every build.
 *
 * PRE states what a caller owes, POST what a function owes. A broken one is our own mistake: the process
 * stops with a sentence on stderr, and the two durable ends replay what it had not finished. Input from
 * outside is never checked with these. */
#ifndef SUMU_BASE_CHECK_H
#define SUMU_BASE_CHECK_H

_Noreturn void check_failed(const char *what, const char *expr, const char *file, int line);

#define PRE(expr) ((expr) ? (void)0 : check_failed("precondition", #expr, __FILE__, __LINE__))
#define POST(expr) ((expr) ? (void)0 : check_failed("postcondition", #expr, __FILE__, __LINE__))
#define UNREACHABLE() check_failed("unreachable", "reached", __FILE__, __LINE__)

#endif
