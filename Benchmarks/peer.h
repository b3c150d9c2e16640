/*
 * What the peers' clients have in common: options, the tally of one side, its JSON line, and a socket with
 * buffers on both sides for those whose protocol is spoken here.
 *
 * A record, B >= 16 bytes:
 *
 *   0        8                16           B
 *   | number | sent at, ns    | 'x' ...    |     little-endian; CLOCK_MONOTONIC, one machine for both ends
 */
#ifndef PEER_H
#define PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RECORD_HEAD = 16,        /* bytes of a record that carry its number and its time */
    RECORDS_MAX = 100000000, /* 4 bytes of latency and 8 of time are kept for each: 1.2 GB */
    SIZE_MAX_BYTES = 1 << 20,
    WAIT_MS = 30000,         /* longest silence before a side gives up */
};

struct peer_options {
    const char *url;           /* NATS */
    const char *stream, *subject;
    int64_t port;              /* on 127.0.0.1, for the others */
    int64_t records, size;
    int64_t window;            /* records sent and not acknowledged, at most */
    int64_t rate;              /* records a second; 0: as fast as the window lets */
    int64_t batch;             /* records in one entry of a RabbitMQ stream; 1: each by itself */
    int64_t replicas;
    bool jetstream, memory;    /* NATS: with JetStream; its store in memory */
};
extern struct peer_options options;

_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
uint64_t now_ns(void);

/* Reads the words after the command; unknown ones end the program with status 1. */
void parse_options(int argc, char **argv);

/* When record `number` is due, ns; 0 when there is no rate. */
uint64_t due_ns(uint64_t started_ns, int64_t number);

/* Writes a record of options.size bytes; it must be filled already but for its head. */
void stamp_record(char *record, int64_t number, uint64_t sent_ns);

/* What a side has seen. One thread counts; another may read `seen` and `failed`. */
struct peer_tally {
    _Atomic int64_t seen, failed;
    int64_t next, duplicates, gaps;
    uint64_t finished_ns;
    uint32_t *latency_us;
};
extern struct peer_tally tally;
void start_tally(void);

/* One record that came or was acknowledged. */
void count_record(uint64_t sent_ns);

/* One record that came: its number must follow the one before. */
void receive_record(const char *data, size_t size);

/* Prints the one JSON line; exit status 1 when something is missing. */
int report(const char *role, uint64_t started_ns, uint64_t finished_ns, bool latencies);

/* A connection whose input and output are kept until they are whole. */
struct wire {
    int fd;
    char *in, *out;
    size_t in_from, in_to, in_capacity;     /* in_from <= in_to <= in_capacity */
    size_t out_from, out_to, out_capacity;
    uint64_t heard_ns;                      /* of the last bytes */
};
void connect_wire(struct wire *wire);

/* Room for `size` more bytes at the end of the output, which the caller fills. */
char *extend_output(struct wire *wire, size_t size);
void append_output(struct wire *wire, const void *bytes, size_t size);

/* Sends what it can and receives what is there; when nothing can be done it waits, at most until `until_ns` (0: WAIT_MS). */
void turn_wire(struct wire *wire, uint64_t until_ns);

/* The protocol of one peer, as its publisher's loop sees it. */
struct publisher {
    /* Appends records first ... first + count - 1, all sent at `sent_ns`. */
    void (*append)(struct wire *wire, int64_t first, int64_t count, uint64_t sent_ns);
    /* Consumes one whole reply and calls `acknowledge`; false when none is whole. */
    bool (*take)(struct wire *wire);
    int64_t at_once;        /* records in one call of `append`, at most */
};
void acknowledge(int64_t number);
void publish_all(struct wire *wire, const struct publisher *publisher, uint64_t *started_ns);

/* Turns the wire and takes what came until the last record did; prints `ready` first. */
void receive_all(struct wire *wire, bool (*take)(struct wire *wire), uint64_t *started_ns);

#endif
