#include "bench/process.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int64_t now_ns(void)
{
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

double process_cpu_s(pid_t pid)
{
        struct timespec t = {0};
        clockid_t clock;
        if (pid == 0 || clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &t) != 0)
                return 0;
        return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

uint64_t process_high_water(pid_t pid)
{
        char path[64], words[256];
        unsigned long kib = 0;
        snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
        FILE *f = pid ? fopen(path, "r") : NULL;
        while (f && kib == 0 && fgets(words, sizeof words, f))
                if (sscanf(words, "VmHWM: %lu", &kib) != 1)
                        kib = 0;
        if (f)
                fclose(f);
        return (uint64_t)kib * 1024;
}

bool line_write(int line, const void *bytes, size_t n)
{
        for (const char *p = bytes; n > 0;) {
                poll(&(struct pollfd){.fd = line, .events = POLLOUT}, 1, -1);
                ssize_t done = write(line, p, n);
                if (done <= 0)
                        return false;
                p += done;
                n -= (size_t)done;
        }
        return true;
}

bool line_read(int line, void *bytes, size_t n)
{
        for (char *p = bytes; n > 0;) {
                poll(&(struct pollfd){.fd = line, .events = POLLIN}, 1, -1);
                ssize_t done = read(line, p, n);
                if (done <= 0)
                        return false;
                p += done;
                n -= (size_t)done;
        }
        return true;
}

static int by_length(const void *a, const void *b)
{
        int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
        return (x > y) - (x < y);
}

double percentile_ms(int64_t *latency_ns, size_t n, double share)
{
        if (n == 0)
                return 0;
        qsort(latency_ns, n, sizeof *latency_ns, by_length);
        size_t at = (size_t)(share * (double)n);
        return (double)latency_ns[at < n ? at : n - 1] * 1e-6;
}
