#include "flow/flow.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

void (*flow_meanwhile)(void);

int64_t flow_now_ms(void)
{
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

bool flow_patient(int64_t since_ms)
{
        if (flow_meanwhile)
                flow_meanwhile();
        else
                poll(NULL, 0, 5);
        return flow_now_ms() - since_ms < FLOW_PATIENCE_MS;
}

static struct sockaddr_in loopback(uint16_t port)
{
        return (struct sockaddr_in){
            .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

uint16_t flow_port(void)
{
        struct sockaddr_in a = loopback(0);
        socklen_t n = sizeof a;
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
        assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
        close(fd);
        return ntohs(a.sin_port);
}

/* ---- programs */

void flow_start(struct flow_program *p, const char *program, const char *config, const char *flag,
                uint16_t port)
{
        pid_t parent = getpid();
        p->port = port;
        p->pid = fork();
        assert_true(p->pid >= 0);
        if (p->pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that dies leaves nobody behind */
                if (getppid() == parent)
                        execl(program, program, "--config", config, flag, (char *)NULL);
                _exit(127);
        }
        int64_t since_ms = flow_now_ms();
        while (flow_http(p, "GET", "/healthz", "", NULL, NULL) == 0) {
                if (waitpid(p->pid, NULL, WNOHANG) == p->pid || !flow_patient(since_ms))
                        fail_msg("%s does not come up", program);
        }
}

int flow_wait(struct flow_program *p)
{
        int status = 0;
        int64_t since_ms = flow_now_ms();
        while (waitpid(p->pid, &status, WNOHANG) == 0)
                if (!flow_patient(since_ms))
                        fail_msg("process %d does not end", (int)p->pid);
        p->pid = 0;
        return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int flow_end(struct flow_program *p, int signal)
{
        if (p->pid == 0)
                return 0;
        kill(p->pid, signal);
        return flow_wait(p);
}

/* ---- HTTP */

static bool read_some(int fd, struct text *in, int64_t since_ms)
{
        char buffer[16 * 1024];
        ssize_t n = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
        if (n > 0)
                text_bytes(in, buffer, (size_t)n);
        else if (n == 0 || (errno != EAGAIN && errno != EINTR))
                return false;
        else if (!flow_patient(since_ms))
                fail_msg("no answer on HTTP");
        return true;
}

static bool write_all(int fd, const char *bytes, size_t n, int64_t since_ms)
{
        while (n > 0) {
                ssize_t done = send(fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL);
                if (done > 0) {
                        bytes += done;
                        n -= (size_t)done;
                } else if (errno != EAGAIN && errno != EINTR) {
                        return false;
                } else if (!flow_patient(since_ms)) {
                        fail_msg("nobody reads on HTTP");
                }
        }
        return true;
}

int flow_http(const struct flow_program *p, const char *method, const char *path, const char *headers,
              const char *body, struct text *reply)
{
        struct sockaddr_in a = loopback(p->port);
        struct text out = {0}, in = {0};
        int64_t since_ms = flow_now_ms();
        int status = 0, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0) {
                text_printf(
                    &out,
                    "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n%sContent-Length: %zu\r\n\r\n",
                    method, path, headers, body ? strlen(body) : 0);
                text_add(&out, body ? body : "");
                if (write_all(fd, text_c(&out), out.n, since_ms))
                        while (read_some(fd, &in, since_ms))
                                ;
                sscanf(text_c(&in), "HTTP/1.1 %d", &status);
        }
        close(fd);
        const char *end = strstr(text_c(&in), "\r\n\r\n");
        if (reply) {
                text_clear(reply);
                text_add(reply, end ? end + 4 : "");
        }
        text_close(&out);
        text_close(&in);
        return status;
}

void flow_await(const struct flow_program *p, const char *path, const char *want)
{
        struct text reply = {0};
        int64_t since_ms = flow_now_ms();
        while (flow_http(p, "GET", path, "", NULL, &reply), !strstr(text_c(&reply), want))
                if (!flow_patient(since_ms))
                        fail_msg("%s says\n%s\nand never\n%s", path, text_c(&reply), want);
        text_close(&reply);
}
