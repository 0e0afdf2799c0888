/* node: namespaces, mounts and processes are made with their tools (ip, nft, mount, mkfs.ext4) by the shell,
 * so that a reader can do by hand what is done here; only what has no tool is a system call. */
#include "torture/node.h"

#include "torture/torture.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
        PATIENCE_END_MS = 30 * 1000, /* for a program asked to end */
        YOUNG_MS = 5 * 1000,         /* asked to end so early, it may not yet have learnt how */
        RESTART_MS = 100,            /* before it is started again */
};

struct ground ground;

/* ---- the shell */

static pid_t spawn(int net, int out, char *const argv[])
{
        pid_t parent = getpid(), pid = fork();
        if (pid < 0)
                fail("no process: %s", strerror(errno));
        if (pid > 0)
                return pid;
        setsid();                         /* Ctrl-C is meant for us */
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* whatever becomes of us, nobody is left behind */
        if (getppid() == parent && (net < 0 || setns(net, CLONE_NEWNET) == 0)) {
                if (out >= 0 && (dup2(out, 1) < 0 || dup2(out, 2) < 0))
                        _exit(127);
                execvp(argv[0], argv);
        }
        _exit(127);
}

static int status_of(pid_t pid)
{
        int status = 0;
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int shell(int net, const char *fmt, va_list list)
{
        char line[2048];
        vsnprintf(line, sizeof line, fmt, list);
        return status_of(spawn(net, -1, (char *[]){"sh", "-c", line, NULL}));
}

int node_shell(const struct node *n, const char *fmt, ...)
{
        va_list list;
        va_start(list, fmt);
        int status = shell(n ? n->net : -1, fmt, list);
        va_end(list);
        return status;
}

/* The same for what cannot go wrong. */
static void must(const struct node *n, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void must(const struct node *n, const char *fmt, ...)
{
        va_list list;
        va_start(list, fmt);
        int status = shell(n ? n->net : -1, fmt, list);
        va_end(list);
        if (status != 0)
                fail("status %d of: %s", status, fmt);
}

/* ---- the ground */

static bool write_file(const char *path, const char *text)
{
        FILE *f = fopen(path, "w");
        bool written = f && fputs(text, f) >= 0;
        return f && fclose(f) == 0 && written;
}

static bool namespaces_open(void)
{
        char map[48];
        uid_t user = geteuid();
        gid_t group = getegid();
        if (unshare(CLONE_NEWNS | CLONE_NEWNET) != 0) {
                if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET) != 0)
                        return false;
                snprintf(map, sizeof map, "0 %u 1", (unsigned)user);
                if (!write_file("/proc/self/uid_map", map) || !write_file("/proc/self/setgroups", "deny"))
                        return false;
                snprintf(map, sizeof map, "0 %u 1", (unsigned)group);
                if (!write_file("/proc/self/gid_map", map))
                        return false;
        }
        return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

static enum ground_disk disk_to_be_had(void)
{
        char disks[NODE_PATH + 8];
        snprintf(disks, sizeof disks, "%s/disk", ground.dir);
        if (mkdir(disks, 0700) != 0 || mount("torture", disks, "tmpfs", 0, NULL) != 0)
                return DISK_SHARED;
        int ext4 = node_shell(NULL,
                              "cd %s && truncate -s 4M try && mkfs.ext4 -q -F try && mkdir on && mount -o "
                              "loop try on 2>/dev/null && "
                              "umount on && rm -r try on",
                              disks);
        return ext4 == 0 ? DISK_EXT4 : DISK_TMPFS;
}

void ground_open(bool namespaces)
{
        char path[4096];
        const char *tmp = getenv("TMPDIR");
        snprintf(ground.dir, sizeof ground.dir, "%s/sumu-torture-XXXXXX", tmp && *tmp ? tmp : "/tmp");
        if (!mkdtemp(ground.dir))
                fail("no folder %s: %s", ground.dir, strerror(errno));
        must(NULL, "mkdir %s/conf %s/log", ground.dir, ground.dir);
        curl_global_init(CURL_GLOBAL_DEFAULT);
        snprintf(path, sizeof path, "%s:/usr/sbin:/sbin", getenv("PATH") ? getenv("PATH") : "/usr/bin:/bin");
        setenv("PATH", path, 1); /* where nft and mkfs.ext4 are, for those who are not root */
        if (!namespaces || !namespaces_open()) {
                snprintf(ground.poor, sizeof ground.poor,
                         "no namespaces: lines, disks and power are left alone");
                return;
        }
        must(NULL, "ip link set lo up");
        ground.lines = true;
        ground.disk = disk_to_be_had();
        if (ground.disk != DISK_EXT4)
                snprintf(ground.poor, sizeof ground.poor, "no loop devices: power is left alone");
}

void ground_close(void)
{
        if (ground.disk != DISK_SHARED)
                node_shell(NULL, "umount -l %s/disk", ground.dir);
        if (ground.keep)
                printf("kept: %s\n", ground.dir);
        else
                node_shell(NULL, "rm -rf %s", ground.dir);
        curl_global_cleanup();
}

uint16_t port_free(void)
{
        struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t n = sizeof a;
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (bind(fd, (struct sockaddr *)&a, sizeof a) != 0 || getsockname(fd, (struct sockaddr *)&a, &n) != 0)
                fail("no port is free");
        close(fd);
        return ntohs(a.sin_port);
}

/* ---- a machine */

static int net_new(void)
{
        int ground_net = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), net = -1;
        if (ground_net < 0 || unshare(CLONE_NEWNET) != 0 ||
            (net = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)) < 0 ||
            setns(ground_net, CLONE_NEWNET) != 0)
                fail("no network of its own: %s", strerror(errno));
        close(ground_net);
        return net;
}

static void disk_new(struct node *n, unsigned mib)
{
        if (ground.disk == DISK_EXT4) /* full is full, also for root; blocks: README.md */
                must(NULL,
                     "truncate -s %uM %s && mkfs.ext4 -q -F -b 4096 -m 0 -E lazy_itable_init=1 %s && mount "
                     "-o loop "
                     "%s %s",
                     mib, n->image, n->image, n->image, n->home);
        else if (ground.disk == DISK_TMPFS)
                must(NULL, "mount -t tmpfs -o size=%um torture %s", mib, n->home);
        n->mounted = ground.disk != DISK_SHARED;
}

void node_init(struct node *n, const char *name, const char *program, unsigned disk_mib)
{
        *n = (struct node){.name = name, .program = program, .port = port_free(), .net = -1};
        snprintf(n->config, sizeof n->config, "%.250s/conf/%s.yaml", ground.dir, name);
        snprintf(n->log, sizeof n->log, "%.250s/log/%s.log", ground.dir, name);
        snprintf(n->home, sizeof n->home, "%.250s/%s", ground.dir, name);
        snprintf(n->image, sizeof n->image, "%.250s/disk/%s.img", ground.dir, name);
        must(NULL, "mkdir %s", n->home);
        struct stat log;
        if (stat(n->log, &log) == 0) /* of one of the same name, before everything began anew */
                n->log_read = log.st_size;
        disk_new(n, disk_mib);
        if (ground.lines) {
                n->net = net_new();
                must(n, "ip link set lo up");
        }
}

void node_close(struct node *n)
{
        node_kill(n);
        if (n->mounted)
                must(NULL, "umount %s", n->home);
        must(NULL, "rm -rf %s %s", n->home, n->image);
        if (n->net >= 0)
                close(n->net);
}

void node_join(struct node *from, struct node *to, unsigned number, char address[32])
{
        snprintf(address, 32, "127.0.0.1");
        if (!ground.lines)
                return;
        snprintf(address, 32, "10.77.%u.1", number);
        must(NULL, "ip link add eth0 netns /proc/%d/fd/%d type veth peer name to%u netns /proc/%d/fd/%d",
             (int)getpid(), from->net, number, (int)getpid(), to->net);
        must(from, "ip addr add 10.77.%u.2/24 dev eth0 && ip link set eth0 up", number);
        must(to, "ip addr add %s/24 dev to%u && ip link set to%u up", address, number, number);
}

/* ---- its program */

void node_start(struct node *n)
{
        if (n->pid > 0 || (!n->mounted && ground.disk != DISK_SHARED))
                return;
        int log = open(n->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        n->pid = spawn(n->net, log, (char *[]){(char *)n->program, "--config", n->config, NULL});
        n->started_ms = now_ms();
        n->gave_up_ms = 0;
        close(log);
}

void node_kill(struct node *n)
{
        if (n->pid <= 0)
                return;
        kill(n->pid, SIGKILL);
        status_of(n->pid);
        n->pid = 0;
        n->frozen = false;
}

/* How it ended, if it did: as status_of, or -1. */
static int ended(struct node *n)
{
        int status = 0;
        if (n->pid <= 0 || waitpid(n->pid, &status, WNOHANG) != n->pid)
                return -1;
        n->pid = 0;
        n->frozen = false;
        return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

void node_end(struct node *n)
{
        int status;
        int64_t since = now_ms();
        node_tend(n);
        if (n->pid <= 0)
                return;
        node_thaw(n);
        kill(n->pid, SIGTERM);
        while ((status = ended(n)) < 0) {
                if (now_ms() - since > PATIENCE_END_MS)
                        fail("%s does not end when asked to", n->name);
                pause_ms(1);
        }
        bool too_early = status == 128 + SIGTERM && since - n->started_ms < YOUNG_MS;
        if (status != 0 && !too_early && !n->strained)
                fail("%s was asked to end and did with status %d", n->name, status);
}

void node_freeze(struct node *n)
{
        if (n->pid > 0)
                n->frozen = kill(n->pid, SIGSTOP) == 0;
}

void node_thaw(struct node *n)
{
        if (n->frozen)
                kill(n->pid, SIGCONT);
        n->frozen = false;
}

/* Its last words are an assertion in a source of libzmq's: 4.3.4 has some that a connection breaking at the
 * wrong moment can reach. A crash like any other: it is started again, and nothing may be lost. */
static bool libzmq_stopped(const struct node *n, int status)
{
        char line[4096], last[4096] = "";
        FILE *f = status == 128 + SIGABRT ? fopen(n->log, "r") : NULL;
        while (f && fgets(line, sizeof line, f))
                memcpy(last, line, sizeof last);
        if (f)
                fclose(f);
        return strncmp(last, "Assertion failed: ", 18) == 0 && strstr(last, " (src/");
}

void node_tend(struct node *n)
{
        int status = ended(n);
        if (status >= 0) {
                if ((status > 3 || !n->strained) && !libzmq_stopped(n, status))
                        fail("%s ended by itself with status %d", n->name, status);
                n->restarts++;
                n->gave_up_ms = now_ms();
        }
        if (n->gave_up_ms && now_ms() - n->gave_up_ms > RESTART_MS)
                node_start(n);
}

unsigned node_log(struct node *n)
{
        char line[4096];
        unsigned lines = 0;
        FILE *f = fopen(n->log, "r");
        if (!f || fseek(f, n->log_read, SEEK_SET) != 0)
                fail("no log of %s", n->name);
        for (; fgets(line, sizeof line, f); lines++)
                if (strstr(line, "Sanitizer") || strstr(line, "runtime error"))
                        fail("%s: %s", n->name, line);
        n->log_read = ftell(f);
        fclose(f);
        return lines;
}

/* ---- its disk */

static void filler(const struct node *n, char path[NODE_PATH + 8])
{
        snprintf(path, NODE_PATH + 8, "%s/filler", n->home);
}

void node_fill(struct node *n, uint64_t left)
{
        char path[NODE_PATH + 8];
        struct statvfs fs;
        off_t at = 0;
        if (!n->mounted || n->full)
                return;
        n->full = n->strained = true;
        filler(n, path);
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0)
                return; /* there was no room for a name: full it is */
        for (off_t step = 16 * 1024 * 1024; step >= 1024; step /= 2)
                while (fstatvfs(fd, &fs) == 0 && fs.f_bavail * fs.f_bsize >= left + (uint64_t)step &&
                       fallocate(fd, 0, at, step) == 0)
                        at += step;
        close(fd);
}

static void filler_remove(const struct node *n)
{
        char path[NODE_PATH + 8];
        filler(n, path);
        if (unlink(path) != 0 && errno != ENOENT)
                fail("%s: %s", path, strerror(errno));
}

void node_free(struct node *n)
{
        if (n->full)
                filler_remove(n);
        n->full = false;
}

/* What no tool does: ext4 gives up at once and throws away what was not yet written. The process is stopped
 * before, so that it sees nothing of it. */
static void power_cut(const char *home)
{
        uint32_t without_flushing_the_log = 2; /* EXT4_GOING_FLAGS_NOLOGFLUSH */
        int fd = open(home, O_RDONLY | O_CLOEXEC);
        if (fd < 0 ||
            ioctl(fd, _IOR('X', 125, uint32_t), &without_flushing_the_log) != 0) /* EXT4_IOC_SHUTDOWN */
                fail("no power cut for %s: %s", home, strerror(errno));
        close(fd);
}

void node_power_off(struct node *n)
{
        if (ground.disk != DISK_EXT4 || !n->mounted)
                return;
        node_freeze(n);
        power_cut(n->home);
        node_kill(n);
        must(NULL, "umount %s", n->home);
        n->mounted = false;
}

void node_power_on(struct node *n)
{
        if (ground.disk != DISK_EXT4)
                return;
        if (!n->mounted)
                must(NULL, "mount -o loop %s %s", n->image, n->home);
        n->mounted = true;
        if (!n->full)
                filler_remove(n); /* once more: that it was gone may not have been synced */
        node_start(n);
}

/* ---- its line */

void node_cut(struct node *n, enum cut how)
{
        static const char *const rule[] = {[CUT_ALL] = "drop",
                                           [CUT_IN] = "drop",
                                           [CUT_OUT] = "drop",
                                           [CUT_RESET] = "meta l4proto tcp reject with tcp reset"};
        if (n->net < 0 || n->cut)
                return;
        const char *in = how == CUT_OUT ? "accept" : rule[how], *out = how == CUT_IN ? "accept" : rule[how];
        must(n,
             "nft 'table inet cut { chain in { type filter hook input priority 0; iifname lo accept; %s; }; "
             "chain out { type filter hook output priority 0; oifname lo accept; %s; }; }'",
             in, out);
        n->cut = true;
}

void node_join_again(struct node *n)
{
        if (n->cut)
                must(n, "nft delete table inet cut");
        n->cut = false;
}

/* ---- asking it */

static size_t take_reply(char *bytes, size_t size, size_t n, void *to)
{
        text_bytes(to, bytes, size * n);
        return size * n;
}

int node_call(const struct node *n, const char *method, const char *path, const char *idempotency_key,
              const char *body, long patience_ms, struct text *reply)
{
        struct text url = {0}, key = {0}, in = {0};
        long status = 0;
        if (n->net >= 0 && setns(n->net, CLONE_NEWNET) != 0) /* of this thread: its next socket lives there */
                fail("%s cannot be entered", n->name);
        CURL *c = curl_easy_init();
        struct curl_slist *headers = NULL;
        text_printf(&url, "http://127.0.0.1:%u%s", n->port, path);
        if (idempotency_key) {
                text_printf(&key, "Idempotency-Key: %s", idempotency_key);
                headers = curl_slist_append(headers, text_c(&key));
                headers = curl_slist_append(headers, "Content-Type: application/json");
        }
        curl_easy_setopt(c, CURLOPT_URL, text_c(&url));
        curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, method);
        curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
        if (body)
                curl_easy_setopt(c, CURLOPT_POSTFIELDS, body);
        curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
        curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, patience_ms);
        curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_reply);
        curl_easy_setopt(c, CURLOPT_WRITEDATA, reply ? reply : &in);
        if (reply)
                text_clear(reply);
        if (curl_easy_perform(c) == CURLE_OK)
                curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
        curl_slist_free_all(headers);
        curl_easy_cleanup(c);
        text_close(&url);
        text_close(&key);
        text_close(&in);
        return (int)status;
}
