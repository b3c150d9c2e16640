/*
 * What as many processes as three nodes and two clients pass on from one to the next at most, over loopback, when they do
 * nothing else: no protocol, no check, no order to agree on. Two JSON lines like those of limits.c, named by the size of a piece:
 *
 *   chain --size BYTES [--seconds S] [--samples N]
 *
 * chain_1m: each process receives a piece and sends it on from where it lies. kept_1m: the three in the middle copy it into
 * memory that keeps the last 64 MiB, and send it from there: the one thing that a node cannot leave out, as what it has
 * acknowledged has to stay while the ring is written again. The figures are what crosses all sockets together, to be read
 * beside one stream's, which two processes alone have the processors for.
 */
#define _GNU_SOURCE
#include "figure.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    PROCESSES = 5,           /* a publisher, three nodes, a subscriber */
    LINKS = PROCESSES - 1,
    RING = 4 * 1024 * 1024,  /* bytes that a process receives into in turn, as a link's ring in the product */
    KEPT = 64 * 1024 * 1024, /* bytes that a process in the middle keeps: more than the caches have room for */
};

struct shape {
    size_t size;
    int keeps;
};

/* Receives one piece whole; 0 when the process before has ended, with nothing of a piece left over. */
static int take(int from, char *to, size_t size)
{
    for (size_t have = 0; have < size;) {
        ssize_t got = recv(from, to + have, size - have, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) fail("recv: %s", strerror(errno));
        if (got == 0 && have == 0) return 0;
        if (got == 0) fail("a piece was cut off");
        have += (size_t)got;
    }
    return 1;
}

static void give(int to, const char *from, size_t size)
{
    for (size_t gone = 0; gone < size;) {
        ssize_t sent = send(to, from + gone, size - gone, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) fail("send: %s", strerror(errno));
        gone += (size_t)sent;
    }
}

/* One process of the chain: the first has nobody to take from and ends when the time is up, the last nobody to give to. */
static double pass_on(int from, int to, const struct shape *shape)
{
    size_t size = shape->size, at = 0, kept_at = 0;
    char *ring = allocate(RING), *kept = shape->keeps && from >= 0 && to >= 0 ? allocate(KEPT) : NULL;
    double start = now(), end = start + seconds_per_sample;
    unsigned long pieces = 0;
    while (from >= 0 ? take(from, ring + at, size) : now() < end) {
        const char *piece = ring + at;
        if (kept != NULL) {
            piece = memcpy(kept + kept_at, piece, size);
            kept_at = kept_at + 2 * size > KEPT ? 0 : kept_at + size;
        }
        if (to >= 0) give(to, piece, size);
        if (pieces++ == 0) start = now(); /* memory is in place at all of them from the first piece on */
        at = at + 2 * size > RING ? 0 : at + size;
    }
    return pieces > 1 ? (double)(pieces - 1) * (double)size / (now() - start) : 0;
}

/* Bytes a second over all links together. */
static double chain(const void *argument)
{
    int links[LINKS][2], result[2];
    pid_t children[PROCESSES];
    double rate = 0;
    if (pipe(result) < 0) fail("pipe: %s", strerror(errno));
    for (int i = 0; i < LINKS; i++) {
        tcp_pair(links[i]);
        /* Unpaced, as the product's own are: bbr's timers cost a chain half of what it carries. Where there is no cubic it stays as it is. */
        (void)setsockopt(links[i][0], IPPROTO_TCP, TCP_CONGESTION, "cubic", strlen("cubic"));
    }
    fflush(stdout); /* or each child prints it again */
    for (int i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        if (children[i] < 0) fail("fork: %s", strerror(errno));
        if (children[i] > 0) continue;
        for (int j = 0; j < LINKS; j++) { /* an end left open here would keep the next process waiting */
            if (j != i) close(links[j][0]);
            if (j + 1 != i) close(links[j][1]);
        }
        rate = pass_on(i == 0 ? -1 : links[i - 1][1], i < LINKS ? links[i][0] : -1, argument);
        if (i == LINKS && write(result[1], &rate, sizeof rate) != (ssize_t)sizeof rate) fail("nobody wants the figure");
        _exit(0);
    }
    for (int i = 0; i < LINKS; i++) {
        close(links[i][0]);
        close(links[i][1]);
    }
    close(result[1]);
    int failed = 0;
    for (int i = 0; i < PROCESSES; i++) {
        int status = 0;
        if (waitpid(children[i], &status, 0) != children[i] || status != 0) failed = 1;
    }
    if (failed || read(result[0], &rate, sizeof rate) != (ssize_t)sizeof rate) fail("a process of the chain failed");
    close(result[0]);
    return rate * LINKS;
}

int main(int argc, char **argv)
{
    struct shape shape = {0};
    char name[NAME_MAX_BYTES], how[160];
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--size") == 0) shape.size = (size_t)strtoul(argv[i + 1], NULL, 10);
        else if (!sample_option(argv[i], argv[i + 1])) fail("unknown option %s", argv[i]);
    }
    if (argc % 2 == 0 || shape.size < 1 || shape.size > RING) fail("usage: chain --size BYTES [--seconds S] [--samples N]; at most %d bytes", RING);
    check_sample_options();

    for (shape.keeps = 0; shape.keeps <= 1; shape.keeps++) {
        name_of_size(name, shape.keeps ? "kept" : "chain", shape.size);
        snprintf(how, sizeof how, "%d processes in a chain, plain sockets, pieces of %zu B%s; all %d links together", PROCESSES, shape.size,
                 shape.keeps ? ", the three in the middle keep 64 MiB" : "", LINKS);
        figure(name, "bytes/s", how, chain, &shape);
    }
    return 0;
}
