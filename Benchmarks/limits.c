/*
 * The machine's own limits, one JSON line per figure, so that a benchmark's figure can be read beside what
 * the machine could do at most in the same minutes.
 *
 *   limits --dir DIR [--seconds S] [--samples N]
 *
 * DIR must be on the disk that the brokers write to. Each figure is the median of N samples of S seconds.
 */
#define _GNU_SOURCE
#include "figure.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    STREAM_BLOCK = 256 * 1024,           /* bytes per send and receive: past this, larger blocks gain nothing */
    FALLOCATED = 1024 * 1024 * 1024,     /* bytes of a file whose blocks are only reserved: never reached in a sample */
    REWRITTEN = 64 * 1024 * 1024,        /* bytes of a file that is written over again and again */
    STREAMED = 64 * 1024 * 1024,         /* bytes for one sync when the disk's bandwidth is measured */
    LOGS = 3,                            /* files that grow side by side, as the logs of three nodes on one disk */
    LOG_BLOCK = 512 * 1024,              /* bytes of one of their writes */
    LOG_WRITES = 3,                      /* of these for a sync: what nodes at full load put into one */
    PAUSE = 1000 * 1000,                 /* nanoseconds between round trips that are not asked for one after the other */
    COPY_LARGE = 64 * 1024 * 1024,       /* bytes: larger than most last-level caches' share of one core */
    COPY_SMALL = 128 * 1024,             /* bytes: source and target together fit in a level-2 cache */
};

/* The child's side: send blocks until the time is up or the other end has gone. */
static void send_until(int fd, double end)
{
    char *block = allocate(STREAM_BLOCK);
    while (now() < end) {
        if (send(fd, block, STREAM_BLOCK, MSG_NOSIGNAL) < 0) {
            if (errno == EINTR) continue;
            _exit(errno == EPIPE || errno == ECONNRESET ? 0 : 1);
        }
    }
    _exit(0);
}

static pid_t start_child(void)
{
    fflush(stdout); /* or the child prints it again */
    pid_t child = fork();
    if (child < 0) fail("fork: %s", strerror(errno));
    return child;
}

static void end_child(pid_t child)
{
    int status = 0;
    if (waitpid(child, &status, 0) != child || status != 0) fail("the other end of the connection failed");
}

/* Bytes a second that one loopback TCP connection carries from one process to another. */
static double tcp_stream(const void *unused)
{
    (void)unused;
    int pair[2];
    tcp_pair(pair);
    pid_t child = start_child();
    if (child == 0) {
        close(pair[1]);
        send_until(pair[0], now() + seconds_per_sample);
    }
    close(pair[0]);
    char *block = allocate(STREAM_BLOCK);
    double start = now(), bytes = 0;
    for (;;) {
        ssize_t got = recv(pair[1], block, STREAM_BLOCK, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) fail("recv: %s", strerror(errno));
        if (got == 0) break;
        bytes += (double)got;
    }
    double taken = now() - start;
    end_child(child);
    free(block);
    close(pair[1]);
    return bytes / taken;
}

/* Round trips a second of 64 bytes between two processes that sleep in between: one after the other, or, where there is a pause
 * (nanoseconds) before each, one over the median of what they take. */
static double round_trips(const void *argument)
{
    const long pause = *(const long *)argument;
    int pair[2];
    char message[64] = {0};
    double *trips = pause > 0 ? allocate(sizeof *trips * (size_t)(2 + seconds_per_sample * 1e9 / (double)pause)) : NULL;
    tcp_pair(pair);
    pid_t child = start_child();
    if (child == 0) {
        close(pair[1]);
        while (recv(pair[0], message, sizeof message, MSG_WAITALL) == (ssize_t)sizeof message)
            if (send(pair[0], message, sizeof message, MSG_NOSIGNAL) < 0) _exit(1);
        _exit(0);
    }
    close(pair[0]);
    double start = now(), taken = 0;
    size_t count = 0;
    do {
        if (pause > 0) nanosleep(&(struct timespec){.tv_nsec = pause}, NULL);
        double asked = now();
        if (send(pair[1], message, sizeof message, MSG_NOSIGNAL) != (ssize_t)sizeof message ||
            recv(pair[1], message, sizeof message, MSG_WAITALL) != (ssize_t)sizeof message)
            fail("round trip: %s", strerror(errno));
        double answered = now();
        if (trips != NULL) trips[count] = answered - asked;
        count++;
        taken = answered - start;
    } while (taken < seconds_per_sample);
    close(pair[1]);
    end_child(child);
    if (trips == NULL) return (double)count / taken;
    double trip = median_of(trips, count);
    free(trips);
    return 1 / trip;
}

struct sync_case {
    const char *directory;
    size_t block;
    int written_before; /* the file's blocks were written and synced once before the measurement */
};

static void write_whole(int fd, const char *block, size_t size, off_t at)
{
    ssize_t done = pwrite(fd, block, size, at);
    if (done != (ssize_t)size) fail("pwrite of %zu bytes: %s", size, done < 0 ? strerror(errno) : "short write");
}

/* A new file in the directory that nobody else sees and that goes with its descriptor. */
static int open_unlinked(const char *directory)
{
    char path[4096];
    if (snprintf(path, sizeof path, "%s/limits.%ld", directory, (long)getpid()) >= (int)sizeof path)
        fail("the directory's name is too long");
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) fail("%s: %s", path, strerror(errno));
    if (unlink(path) < 0) fail("unlink %s: %s", path, strerror(errno));
    return fd;
}

/* Writes and syncs a second, each at the next offset of a file that already has its full length. */
static double write_and_sync(const void *argument)
{
    const struct sync_case *c = argument;
    int fd = open_unlinked(c->directory);
    const off_t length = c->written_before ? REWRITTEN : FALLOCATED;
    int error = posix_fallocate(fd, 0, length);
    if (error != 0) fail("posix_fallocate: %s", strerror(error));
    char *block = allocate(c->block);
    if (c->written_before)
        for (off_t at = 0; at < length; at += (off_t)c->block) write_whole(fd, block, c->block, at);
    if (fsync(fd) < 0) fail("fsync: %s", strerror(errno));

    double start = now(), end = start + seconds_per_sample, taken = 0;
    long count = 0;
    off_t at = 0;
    do {
        write_whole(fd, block, c->block, at);
        if (fdatasync(fd) < 0) fail("fdatasync: %s", strerror(errno));
        at += (off_t)c->block;
        count++;
        taken = now() - start;
        if (at < length) continue;
        if (!c->written_before) break; /* a second pass would meet blocks that are written already */
        at = 0;
    } while (start + taken < end);
    free(block);
    close(fd);
    return (double)count / taken;
}

/* Bytes a second that reach the disk: 1 MiB writes into a file that has its full length, a sync for each 64 MiB. */
static double disk_stream(const void *argument)
{
    const struct sync_case *c = argument;
    int fd = open_unlinked(c->directory);
    int error = posix_fallocate(fd, 0, FALLOCATED);
    if (error != 0) fail("posix_fallocate: %s", strerror(error));
    if (fsync(fd) < 0) fail("fsync: %s", strerror(errno));
    char *block = allocate(c->block);
    double start = now(), taken = 0, bytes = 0;
    do {
        for (off_t part = 0; part < STREAMED; part += (off_t)c->block) {
            write_whole(fd, block, c->block, (off_t)bytes);
            bytes += (double)c->block;
        }
        if (fdatasync(fd) < 0) fail("fdatasync: %s", strerror(errno));
        taken = now() - start;
    } while (taken < seconds_per_sample && bytes < FALLOCATED);
    free(block);
    close(fd);
    return bytes / taken;
}

/* One log's writer: bytes a second that it writes, past the page cache, and syncs. */
static double append_log(const char *directory)
{
    int fd = open_unlinked(directory);
    int error = posix_fallocate(fd, 0, FALLOCATED);
    if (error != 0) fail("posix_fallocate: %s", strerror(error));
    if (fsync(fd) < 0) fail("fsync: %s", strerror(errno));
    (void)fcntl(fd, F_SETFL, O_DIRECT); /* a file system without it takes them through the page cache */
    void *block = NULL;
    if (posix_memalign(&block, 4096, LOG_BLOCK) != 0) fail("no memory for a block");
    memset(block, 0x5a, LOG_BLOCK);
    double start = now(), taken = 0, bytes = 0;
    do {
        for (int i = 0; i < LOG_WRITES; i++, bytes += LOG_BLOCK) write_whole(fd, block, LOG_BLOCK, (off_t)bytes);
        if (fdatasync(fd) < 0) fail("fdatasync: %s", strerror(errno));
        taken = now() - start;
    } while (taken < seconds_per_sample && bytes + LOG_WRITES * LOG_BLOCK <= FALLOCATED);
    return bytes / taken;
}

/* Bytes a second that reach the disk from three processes which write and sync as three nodes do. */
static double disk_three(const void *argument)
{
    const struct sync_case *c = argument;
    int result[2];
    pid_t children[LOGS];
    double all = 0;
    if (pipe(result) < 0) fail("pipe: %s", strerror(errno));
    for (int i = 0; i < LOGS; i++) {
        children[i] = start_child();
        if (children[i] > 0) continue;
        double rate = append_log(c->directory);
        _exit(write(result[1], &rate, sizeof rate) == (ssize_t)sizeof rate ? 0 : 1);
    }
    for (int i = 0; i < LOGS; i++) {
        int status = 0;
        double rate = 0;
        if (waitpid(children[i], &status, 0) != children[i] || status != 0 || read(result[0], &rate, sizeof rate) != (ssize_t)sizeof rate)
            fail("a process that writes a log failed");
        all += rate;
    }
    close(result[0]);
    close(result[1]);
    return all;
}

/* Bytes a second that one core copies between two buffers of the given size. */
static double copy(const void *argument)
{
    size_t size = *(const size_t *)argument;
    char *from = allocate(size), *to = allocate(size);
    size_t rounds = COPY_LARGE / size; /* look at the clock once per 64 MiB */
    double start = now(), taken = 0, bytes = 0;
    do {
        for (size_t i = 0; i < rounds; i++) {
            from[0] = (char)i;
            memcpy(to, from, size);
            __asm__ volatile("" : : "r"(to) : "memory"); /* or the compiler drops the copy */
        }
        bytes += (double)(size * rounds);
        taken = now() - start;
    } while (taken < seconds_per_sample);
    free(from);
    free(to);
    return bytes / taken;
}

static void refuse_memory_file_system(const char *directory)
{
    const long tmpfs = 0x01021994, ramfs = (long)0x858458f6;
    struct statfs fs;
    if (statfs(directory, &fs) < 0) fail("%s: %s", directory, strerror(errno));
    if ((long)fs.f_type == tmpfs || (long)fs.f_type == ramfs)
        fail("%s is in memory (tmpfs): its sync rate says nothing about a disk; choose another --dir", directory);
}

int main(int argc, char **argv)
{
    const char *directory = ".";
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (value == NULL) fail("usage: limits --dir DIR [--seconds S] [--samples N]");
        if (strcmp(argv[i], "--dir") == 0) directory = value;
        else if (!sample_option(argv[i], value)) fail("unknown option %s", argv[i]);
        i++;
    }
    check_sample_options();
    refuse_memory_file_system(directory);

    const size_t large = COPY_LARGE, small = COPY_SMALL;
    const long at_once = 0, each_millisecond = PAUSE;
    const struct sync_case cases[] = {
        {directory, 4096, 0}, {directory, 65536, 0}, {directory, 1 << 20, 0}, {directory, 4096, 1}, {directory, 65536, 1}};
    figure("tcp_stream", "bytes/s", "one loopback TCP connection between two processes, 256 KiB sends", tcp_stream, NULL);
    figure("round_trip", "round trips/s", "64 bytes there and back over loopback TCP, both ends sleep", round_trips, &at_once);
    figure("paced_trip", "round trips/s", "the same with a pause of 1 ms before each: one over the median of what they take", round_trips, &each_millisecond);
    figure("sync_4k", "syncs/s", "pwrite 4 KiB + fdatasync, fallocated file", write_and_sync, &cases[0]);
    figure("sync_64k", "syncs/s", "pwrite 64 KiB + fdatasync, fallocated file", write_and_sync, &cases[1]);
    figure("sync_1m", "syncs/s", "pwrite 1 MiB + fdatasync, fallocated file", write_and_sync, &cases[2]);
    figure("resync_4k", "syncs/s", "pwrite 4 KiB + fdatasync, blocks written before", write_and_sync, &cases[3]);
    figure("resync_64k", "syncs/s", "pwrite 64 KiB + fdatasync, blocks written before", write_and_sync, &cases[4]);
    figure("disk_stream", "bytes/s", "pwrite 1 MiB, fdatasync every 64 MiB, fallocated file", disk_stream, &cases[2]);
    figure("disk_three", "bytes/s", "three processes, each 3 × 512 KiB past the page cache and fdatasync, fallocated files of their own", disk_three, &cases[2]);
    figure("copy_memory", "bytes/s", "memcpy of 64 MiB, out of cache", copy, &large);
    figure("copy_cache", "bytes/s", "memcpy of 128 KiB, in cache", copy, &small);
    return 0;
}
