/* process: what one can know about oneself and others, and how the processes of a benchmark talk. */
#ifndef SUMU_TESTS_BENCH_PROCESS_H
#define SUMU_TESTS_BENCH_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

int64_t now_ns(void); /* of the clock all processes of a machine share */

/* Of another process: 0 where there is none. */
double process_cpu_s(pid_t pid);
uint64_t process_high_water(pid_t pid); /* bytes resident, at most */

/* Over a pair of sockets: all of it, or false. */
bool line_write(int line, const void *bytes, size_t n);
bool line_read(int line, void *bytes, size_t n);

/* The value below which a share of the n latencies lies, in ms; sorts them. */
double percentile_ms(int64_t *latency_ns, size_t n, double share);

#endif
