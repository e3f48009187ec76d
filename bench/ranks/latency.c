/* The latency of a network for hosts that this machine plays (bench/ranks/hosts), where the kernel has no netem: a switch in user space
 * between the links of all hosts, that holds each frame for a while and then passes it on, in the order in which frames came.
 *
 * usage: latency DELAY INTERFACE...     DELAY: 50us, 1ms, 0; from one host to another, and as long again for the way back
 *
 * Runs until SIGTERM or SIGINT, then writes what it passed on to stderr. Frames of TCP stay together as the kernel hands them over, up to
 * 64 KiB (PACKET_VNET_HDR), so a frame costs two calls however much it carries. Wants root. SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

enum {
    PORTS_MAX = 64,
    ADDRESSES = 256,
    FRAME_BYTES = (1 << 16) + 256, /* largest frame, with its virtio_net_hdr */
    RING_BYTES = 1 << 28,          /* frames on their way */
    SOCKET_BYTES = 1 << 27,        /* frames before and behind this program */
    TURN = 16,                     /* frames taken from one link before the next */
    AWAKE = 50000                  /* nanoseconds: time to wake up in, so the last of a delay is not slept */
};

struct frame {   /* before its bytes in the ring; `to` < 0: to all links but `from` */
    int64_t due; /* nanoseconds; 0: the rest of the ring is empty */
    int32_t from, to, bytes, reserved;
};

struct address {
    uint8_t mac[ETH_ALEN];
    int32_t port;
};

struct latency {
    int64_t delay; /* nanoseconds */
    int ports, addresses;
    int fd[PORTS_MAX];
    struct address address[ADDRESSES];
    char *ring;
    int64_t head, tail;                        /* bytes that were ever written to the ring, and read from it */
    int64_t frames, bytes, lost, late, latest; /* late: sum of the nanoseconds by which frames left later than they were due */
};

static volatile sig_atomic_t latency_stopped;

static void latency_stop(int signal)
{
    (void)signal;
    latency_stopped = 1;
}

static int64_t latency_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- opening ------------------------------------------------------------------------------------------------------- */

/* Nanoseconds of a time as `tc` writes it; a number alone is of microseconds. Negative: it is none. */
static int64_t latency_parse(const char *text)
{
    static const struct {
        const char *unit;
        double nanoseconds;
    } units[] = {{"", 1e3}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}};
    char *end;
    double value = strtod(text, &end);
    for (size_t i = 0; end != text && value >= 0.0 && value < 1e6 && i < sizeof units / sizeof *units; i++)
        if (strcmp(end, units[i].unit) == 0)
            return (int64_t)(value * units[i].nanoseconds);
    return -1;
}

static int latency_link(const char *name)
{
    const int size = SOCKET_BYTES, yes = 1;
    struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)if_nametoindex(name)};
    struct packet_mreq all = {.mr_ifindex = at.sll_ifindex, .mr_type = PACKET_MR_PROMISC};
    int fd = at.sll_ifindex ? socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) : -1;
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &yes, sizeof yes) != 0 ||
        setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &yes, sizeof yes) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) != 0 ||
        bind(fd, (const struct sockaddr *)(const void *)&at, sizeof at) != 0 ||
        setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof all) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

static int latency_open(struct latency *l, int links, char *const *name)
{
    void *ring = mmap(NULL, RING_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (ring == MAP_FAILED) {
        (void)fprintf(stderr, "latency: no memory for frames on their way: %s\n", strerror(errno));
        return -1;
    }
    l->ring = ring;
    for (; l->ports < links; l->ports++) {
        l->fd[l->ports] = latency_link(name[l->ports]);
        if (l->fd[l->ports] < 0) {
            (void)fprintf(stderr, "latency: %s: cannot be listened to: %s; it wants root, and a link that is there\n", name[l->ports],
                          strerror(errno));
            return -1;
        }
    }
    /* on time beside processes that take all processors */
    const struct sched_param first = {.sched_priority = 1};
    (void)sched_setscheduler(0, SCHED_FIFO, &first);
    (void)prctl(PR_SET_TIMERSLACK, 1);
    return 0;
}

/* ---- frames -------------------------------------------------------------------------------------------------------- */

static struct address *latency_find(struct latency *l, const uint8_t *mac)
{
    for (int i = 0; i < l->addresses; i++)
        if (memcmp(l->address[i].mac, mac, ETH_ALEN) == 0)
            return &l->address[i];
    return NULL;
}

/* Link that a frame goes to, by where its address was last seen; -1: all. */
static int32_t latency_route(struct latency *l, const struct ether_header *head, int32_t from)
{
    struct address *source = latency_find(l, head->ether_shost);
    if (!source && l->addresses < ADDRESSES) {
        source = &l->address[l->addresses++];
        memcpy(source->mac, head->ether_shost, ETH_ALEN);
    }
    if (source)
        source->port = from;
    const struct address *target = head->ether_dhost[0] & 1 ? NULL : latency_find(l, head->ether_dhost);
    return target ? target->port : -1;
}

/* Memory for one more frame; NULL: the ring is full. */
static struct frame *latency_room(struct latency *l)
{
    const int64_t most = (int64_t)sizeof(struct frame) + FRAME_BYTES;
    int64_t at = l->head % RING_BYTES;
    if (RING_BYTES - (l->head - l->tail) < 2 * most)
        return NULL;
    if (RING_BYTES - at < most) {
        *(struct frame *)(void *)(l->ring + at) = (struct frame){.due = 0};
        l->head += RING_BYTES - at;
        at = 0;
    }
    return (struct frame *)(void *)(l->ring + at);
}

/* Takes what has come over a link, at most TURN frames; their number. */
static int latency_receive(struct latency *l, int32_t from)
{
    int taken = 0;
    for (struct frame *f; taken < TURN && (f = latency_room(l)) != NULL; taken++) {
        ssize_t bytes = recv(l->fd[from], f + 1, FRAME_BYTES, MSG_TRUNC);
        if (bytes < 0)
            break;
        if (bytes < (ssize_t)(sizeof(struct virtio_net_hdr) + sizeof(struct ether_header)) || bytes > FRAME_BYTES) {
            l->lost++;
            continue;
        }
        struct ether_header head;
        memcpy(&head, (char *)(f + 1) + sizeof(struct virtio_net_hdr), sizeof head);
        *f = (struct frame){.due = latency_now() + l->delay, .from = from, .to = latency_route(l, &head, from), .bytes = (int32_t)bytes};
        l->head += (int64_t)sizeof *f + (bytes + 63) / 64 * 64;
    }
    return taken;
}

static void latency_send(struct latency *l, const struct frame *f, int64_t now)
{
    for (int32_t i = 0; i < l->ports; i++)
        if ((f->to < 0 && i != f->from) || i == f->to)
            l->lost += send(l->fd[i], f + 1, (size_t)f->bytes, MSG_DONTWAIT) < 0; /* its queue is full, as a switch's may be */
    l->frames++;
    l->bytes += f->bytes;
    l->late += now - f->due;
    l->latest = now - f->due > l->latest ? now - f->due : l->latest;
}

/* Passes on all frames that are due; the time at which the next one is, 0: there is none. */
static int64_t latency_pass(struct latency *l)
{
    while (l->tail < l->head) {
        const struct frame *f = (const struct frame *)(const void *)(l->ring + l->tail % RING_BYTES);
        int64_t now = latency_now();
        if (f->due > now)
            return f->due;
        if (f->due) {
            latency_send(l, f, now);
            l->tail += (int64_t)sizeof *f + (f->bytes + 63) / 64 * 64;
        } else {
            l->tail += RING_BYTES - l->tail % RING_BYTES;
        }
    }
    return 0;
}

static void latency_wait(const struct latency *l, int64_t until)
{
    struct pollfd list[PORTS_MAX];
    int64_t left = until ? until - AWAKE - latency_now() : 100000000; /* so that a signal is noticed */
    const struct timespec time = {.tv_sec = left / 1000000000, .tv_nsec = left % 1000000000};
    for (int i = 0; i < l->ports; i++)
        list[i] = (struct pollfd){.fd = l->fd[i], .events = POLLIN};
    if (left > 0)
        (void)ppoll(list, (nfds_t)l->ports, &time, NULL);
}

int main(int argc, char **argv)
{
    static struct latency l;
    l.delay = argc > 1 ? latency_parse(argv[1]) : -1;
    if (argc < 4 || argc - 2 > PORTS_MAX || l.delay < 0) {
        (void)fprintf(stderr, "usage: latency DELAY INTERFACE INTERFACE...     DELAY: 50us, 1ms, 0; 2 to %d links\n", PORTS_MAX);
        return 64;
    }
    (void)signal(SIGTERM, latency_stop);
    (void)signal(SIGINT, latency_stop);
    if (latency_open(&l, argc - 2, argv + 2) != 0)
        return 1;
    while (!latency_stopped) {
        int taken = 0;
        for (int i = 0; i < l.ports; i++)
            taken += latency_receive(&l, i);
        int64_t next = latency_pass(&l);
        if (!taken)
            latency_wait(&l, next);
    }
    (void)fprintf(stderr, "latency: %lld frames, %.1f MB, %lld lost; they left %.1f us late on average, %.1f us at most\n",
                  (long long)l.frames, 1e-6 * (double)l.bytes, (long long)l.lost, l.frames ? 1e-3 * (double)l.late / (double)l.frames : 0.0,
                  1e-3 * (double)l.latest);
    return 0;
}
