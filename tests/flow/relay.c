/* An address that moves, like the one that two machines of a failover pair share.
 *
 *     flow_relay PORT FILE       listens on 127.0.0.1:PORT; a connection goes to the port that FILE names
 * just then
 *
 * SIGUSR1 cuts all connections, as when the address is taken from a machine. A process for each connection,
 * so that one whose far end is frozen holds up no other. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

static volatile sig_atomic_t cut;

static void on_cut(int n)
{
        (void)n;
        cut = 1;
}

static struct sockaddr_in local(unsigned port)
{
        return (struct sockaddr_in){
            .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
}

/* -1: nobody is there. */
static int connect_to(const char *file)
{
        unsigned port = 0;
        FILE *f = fopen(file, "r");
        bool read = f && fscanf(f, "%u", &port) == 1;
        if (f)
                fclose(f);
        struct sockaddr_in to = local(port);
        int s = read ? socket(AF_INET, SOCK_STREAM, 0) : -1;
        if (s >= 0 && connect(s, (struct sockaddr *)&to, sizeof to) < 0) {
                close(s);
                s = -1;
        }
        return s;
}

static bool pass_on(int from, int to)
{
        char b[65536];
        ssize_t n = read(from, b, sizeof b);
        for (ssize_t at = 0, w; at < n; at += w)
                if ((w = write(to, b + at, (size_t)(n - at))) < 0)
                        return false;
        return n > 0;
}

/* Until either end is gone. */
static void carry(int a, int b)
{
        struct pollfd v[2] = {{.fd = a, .events = POLLIN}, {.fd = b, .events = POLLIN}};
        while (poll(v, 2, -1) > 0)
                for (int i = 0; i < 2; i++)
                        if (v[i].revents && !pass_on(v[i].fd, v[1 - i].fd))
                                return;
}

static void serve(int listener, const char *file)
{
        int near = accept(listener, NULL, NULL);
        if (near < 0)
                return;
        if (fork() == 0) {
                signal(SIGUSR2, SIG_DFL);
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                int far = connect_to(file);
                if (far >= 0)
                        carry(near, far);
                _exit(0);
        }
        close(near);
}

int main(int argc, char **argv)
{
        if (argc != 3)
                return 2;
        struct sockaddr_in at = local((unsigned)strtoul(argv[1], NULL, 10));
        int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        if (bind(listener, (struct sockaddr *)&at, sizeof at) < 0 || listen(listener, 64) < 0) {
                perror(argv[1]);
                return 1;
        }
        setpgid(0, 0);
        signal(SIGCHLD, SIG_IGN);
        signal(SIGPIPE, SIG_IGN);
        signal(SIGUSR2, SIG_IGN); /* of the carriers, ours in a group of its own, it is the end */
        sigaction(SIGUSR1, &(struct sigaction){.sa_handler = on_cut}, NULL);
        for (struct pollfd p = {.fd = listener, .events = POLLIN};;) {
                if (poll(&p, 1, -1) > 0)
                        serve(listener, argv[2]);
                else if (errno != EINTR)
                        return 1;
                if (cut)
                        kill(0, SIGUSR2);
                cut = 0;
        }
}
