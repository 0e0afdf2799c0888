#include "hostile/peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

uint64_t any(void)
{
        static uint64_t x = 0x9e3779b97f4a7c15;
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        return x;
}

void any_bytes(void *p, size_t n)
{
        for (uint8_t *b = p; n; n--)
                *b++ = (uint8_t)(any() >> 24);
}

void give_up(const char *doing)
{
        fprintf(stderr, "hostile_peer: %s: %s\n", doing, strerror(errno));
        exit(1);
}

int dial_from(uint32_t address, unsigned port)
{
        struct sockaddr_in from = {.sin_family = AF_INET},
                           to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
        from.sin_addr.s_addr = htonl(address);
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
        setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
        if (fd < 0 || bind(fd, (struct sockaddr *)&from, sizeof from) != 0 ||
            connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
                give_up("connecting");
        return fd;
}

int dial(unsigned port)
{
        return dial_from(INADDR_LOOPBACK + 65, port);
}

static const struct {
        const char *word;
        int n;
        int (*be)(char **arg);
} peers[] = {{"hold", 2, hold},         {"greet", 2, greet},     {"dribble", 3, dribble},
             {"http", 2, http},         {"loris", 2, loris},     {"honest", 3, honest},
             {"stranger", 3, stranger}, {"insider", 4, insider}, {"crowd", 5, crowd},
             {"trespass", 7, trespass}};

int main(int argc, char **argv)
{
        struct rlimit files;
        signal(SIGPIPE, SIG_IGN);
        if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
                files.rlim_cur = files.rlim_max;
                setrlimit(RLIMIT_NOFILE, &files);
        }
        for (size_t i = 0; argc > 1 && i < sizeof peers / sizeof *peers; i++)
                if (strcmp(argv[1], peers[i].word) == 0 && argc == peers[i].n + 2)
                        return peers[i].be(argv + 2);
        fprintf(stderr, "hostile_peer: see tests/hostile/peer.h\n");
        return 2;
}
