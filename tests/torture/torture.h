/* torture: what all parts of the torture share: the way to give up, and the clock.
 *
 * `torture` starts the real programs of a small region, each in a network and on a disk of its own, lets
 * clients hand in reports all the time, and does to them what their life will do: kills them, freezes them,
 * fills their disks, cuts their lines, takes their power. After every few cycles all is healed and nobody
 * helps: what was answered 202 has to be in the totals, once. README.md tells how to run it and to read it.
 */
#ifndef SUMU_TORTURE_H
#define SUMU_TORTURE_H

#include <stdint.h>

/* From any thread: says what is wrong and how to run it again, keeps the folder, ends. */
void fail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

int64_t now_ms(void); /* monotonic */
void pause_ms(int64_t ms);

#endif
