/* What the peers' clients have in common; see peer.h. */
#define _GNU_SOURCE
#include "peer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    INPUT_LEAST = 256 * 1024,  /* bytes of room before a receive */
    OUTPUT_ENOUGH = 256 * 1024 /* bytes of output after which records wait for the socket */
};

struct peer_options options = {.url = "nats://127.0.0.1:4222", .stream = "bench", .records = 100000, .size = 100,
                               .window = 512, .batch = 1, .replicas = 3};
struct peer_tally tally;
static const char *program = "peer";
static uint64_t *sent_at; /* of each record; 0 once acknowledged */

void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s: ", program);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int64_t number_option(const char *name, const char *text, int64_t least, int64_t most)
{
    char *end = NULL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != 0 || value < least || value > most)
        fail("%s must be %" PRId64 " to %" PRId64, name, least, most);
    return value;
}

void parse_options(int argc, char **argv)
{
    const char *base = strrchr(argv[0], '/');
    program = base == NULL ? argv[0] : base + 1;
    const struct {
        const char *name;
        int64_t *value, least, most;
    } numbers[] = {
        {"--records", &options.records, 1, RECORDS_MAX}, {"--size", &options.size, RECORD_HEAD, SIZE_MAX_BYTES},
        {"--window", &options.window, 1, 1 << 20},       {"--rate", &options.rate, 0, 10000000},
        {"--batch", &options.batch, 1, 1000},            {"--replicas", &options.replicas, 1, 5},
        {"--port", &options.port, 1, 65535},
    };
    for (int i = 2; i < argc; i++) {
        const char *name = argv[i];
        if (strcmp(name, "--jetstream") == 0) options.jetstream = true;
        else if (strcmp(name, "--memory") == 0) options.memory = true;
        else if (++i == argc) fail("%s needs a value", name);
        else if (strcmp(name, "--url") == 0) options.url = argv[i];
        else if (strcmp(name, "--stream") == 0) options.stream = argv[i];
        else if (strcmp(name, "--subject") == 0) options.subject = argv[i];
        else {
            size_t n = 0;
            while (n < sizeof numbers / sizeof numbers[0] && strcmp(name, numbers[n].name) != 0) n++;
            if (n == sizeof numbers / sizeof numbers[0]) fail("unknown option %s", name);
            *numbers[n].value = number_option(name, argv[i], numbers[n].least, numbers[n].most);
        }
    }
}

uint64_t due_ns(uint64_t started_ns, int64_t number)
{
    return options.rate == 0 ? 0 : started_ns + (uint64_t)((double)number * 1e9 / (double)options.rate);
}

void stamp_record(char *record, int64_t number, uint64_t sent_ns)
{
    memcpy(record, &number, sizeof number);
    memcpy(record + sizeof number, &sent_ns, sizeof sent_ns);
}

void start_tally(void)
{
    tally.latency_us = calloc((size_t)options.records, sizeof tally.latency_us[0]);
    if (tally.latency_us == NULL) fail("no memory for %" PRId64 " latencies", options.records);
}

void count_record(uint64_t sent_ns)
{
    uint64_t at = now_ns();
    int64_t index = atomic_load_explicit(&tally.seen, memory_order_relaxed);
    if (index >= options.records) return;
    tally.latency_us[index] = (uint32_t)((at - sent_ns) / 1000);
    tally.finished_ns = at;
    atomic_store_explicit(&tally.seen, index + 1, memory_order_release);
}

void receive_record(const char *data, size_t size)
{
    int64_t number;
    uint64_t sent_ns;
    if (size < RECORD_HEAD) fail("a record of %zu bytes came", size);
    memcpy(&number, data, sizeof number);
    memcpy(&sent_ns, data + sizeof number, sizeof sent_ns);
    if (number < tally.next) {
        tally.duplicates++;
        return;
    }
    if (number > tally.next) tally.gaps += number - tally.next;
    tally.next = number + 1;
    count_record(sent_ns);
}

static int ascending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

int report(const char *role, uint64_t started_ns, uint64_t finished_ns, bool latencies)
{
    int64_t counted = latencies ? atomic_load_explicit(&tally.seen, memory_order_acquire) : options.records;
    double seconds = (double)(finished_ns - started_ns) * 1e-9;
    printf("{\"role\":\"%s\",\"records\":%" PRId64 ",\"counted\":%" PRId64 ",\"lost\":%" PRId64 ",\"failed\":%" PRId64
           ",\"duplicates\":%" PRId64 ",\"gaps\":%" PRId64 ",\"size\":%" PRId64 ",\"window\":%" PRId64
           ",\"seconds\":%.6f,\"records_per_second\":%.0f,\"started_ns\":%" PRIu64 ",\"finished_ns\":%" PRIu64,
           role, options.records, counted, options.records - counted, atomic_load(&tally.failed), tally.duplicates, tally.gaps,
           options.size, options.window, seconds, seconds > 0 ? (double)counted / seconds : 0, started_ns, finished_ns);
    int64_t n = latencies ? counted : 0;
    if (n > 0) {
        uint32_t *sorted = tally.latency_us;
        qsort(sorted, (size_t)n, sizeof sorted[0], ascending);
        printf(",\"p50_us\":%u,\"p99_us\":%u,\"p999_us\":%u,\"max_us\":%u", sorted[n / 2], sorted[n * 99 / 100],
               sorted[n * 999 / 1000], sorted[n - 1]);
    }
    puts("}");
    return counted == options.records && atomic_load(&tally.failed) == 0 ? 0 : 1;
}

void connect_wire(struct wire *wire)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int on = 1;
    *wire = (struct wire){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .heard_ns = now_ns()};
    if (wire->fd < 0 || connect(wire->fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        setsockopt(wire->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0 || fcntl(wire->fd, F_SETFL, O_NONBLOCK) < 0)
        fail("127.0.0.1:%" PRId64 ": %s", options.port, strerror(errno));
}

/* Makes room for `size` more bytes behind *to: moves what is left to the front, grows when that is not enough. */
static void make_room(char **buffer, size_t *from, size_t *to, size_t *capacity, size_t size)
{
    if (*from == *to) *from = *to = 0;
    if (*capacity - *to >= size) return;
    memmove(*buffer, *buffer + *from, *to - *from);
    *to -= *from;
    *from = 0;
    if (*capacity - *to >= size) return;
    *capacity = 2 * (*to + size);
    *buffer = realloc(*buffer, *capacity);
    if (*buffer == NULL) fail("no memory for %zu bytes", *capacity);
}

char *extend_output(struct wire *wire, size_t size)
{
    if (wire->out == NULL || wire->out_capacity - wire->out_to < size)
        make_room(&wire->out, &wire->out_from, &wire->out_to, &wire->out_capacity, size);
    char *at = wire->out + wire->out_to;
    wire->out_to += size;
    return at;
}

void append_output(struct wire *wire, const void *bytes, size_t size) { memcpy(extend_output(wire, size), bytes, size); }

static bool transient(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

static bool send_some(struct wire *wire)
{
    bool moved = false;
    while (wire->out_from < wire->out_to) {
        ssize_t sent = send(wire->fd, wire->out + wire->out_from, wire->out_to - wire->out_from, MSG_NOSIGNAL);
        if (sent < 0 && transient()) return moved;
        if (sent < 0) fail("send: %s", strerror(errno));
        wire->out_from += (size_t)sent;
        moved = true;
    }
    wire->out_from = wire->out_to = 0;
    return moved;
}

static bool receive_some(struct wire *wire)
{
    if (wire->in == NULL || wire->in_from == wire->in_to || wire->in_capacity - wire->in_to < INPUT_LEAST)
        make_room(&wire->in, &wire->in_from, &wire->in_to, &wire->in_capacity, INPUT_LEAST);
    ssize_t got = recv(wire->fd, wire->in + wire->in_to, wire->in_capacity - wire->in_to, 0);
    if (got < 0 && transient()) return false;
    if (got < 0) fail("recv: %s", strerror(errno));
    if (got == 0) fail("the server closed the connection");
    wire->in_to += (size_t)got;
    wire->heard_ns = now_ns();
    return true;
}

void turn_wire(struct wire *wire, uint64_t until_ns)
{
    bool moved = send_some(wire);
    if (receive_some(wire) || moved) return;
    uint64_t now = now_ns();
    if (until_ns != 0 && until_ns <= now) return;
    if (until_ns == 0 && now - wire->heard_ns > WAIT_MS * 1000000ull) fail("the server has said nothing for %d ms", WAIT_MS);
    uint64_t wait = until_ns == 0 ? 1000000000u : until_ns - now;
    struct timespec limit = {.tv_sec = (time_t)(wait / 1000000000u), .tv_nsec = (long)(wait % 1000000000u)};
    struct pollfd look = {.fd = wire->fd, .events = (short)(POLLIN | (wire->out_from < wire->out_to ? POLLOUT : 0))};
    if (ppoll(&look, 1, &limit, NULL) < 0 && errno != EINTR) fail("poll: %s", strerror(errno));
}

void acknowledge(int64_t number)
{
    if (number < 0 || number >= options.records) fail("record %" PRId64 " was acknowledged, which was not sent", number);
    if (sent_at[number] == 0) {
        tally.duplicates++;
        return;
    }
    count_record(sent_at[number]);
    sent_at[number] = 0;
}

/* How many records may go now: as the window, the output and the rate let. */
static int64_t allowance(const struct wire *wire, int64_t sent, uint64_t started_ns, uint64_t now, int64_t at_once)
{
    int64_t open = options.window - (sent - tally.seen - tally.failed);
    int64_t most = options.records - sent < open ? options.records - sent : open;
    if (most > at_once) most = at_once;
    if (wire->out_to - wire->out_from >= OUTPUT_ENOUGH) return 0;
    int64_t room = OUTPUT_ENOUGH / options.size + 1;
    if (most > room) most = room;
    if (options.rate == 0) return most;
    int64_t due = 0;
    while (due < most && due_ns(started_ns, sent + due) <= now) due++;
    return due;
}

void publish_all(struct wire *wire, const struct publisher *publisher, uint64_t *started_ns)
{
    sent_at = calloc((size_t)options.records, sizeof sent_at[0]);
    if (sent_at == NULL) fail("no memory for %" PRId64 " times", options.records);
    *started_ns = wire->heard_ns = now_ns();
    int64_t sent = 0;
    while (tally.seen + tally.failed < options.records) {
        for (;;) {
            uint64_t now = now_ns();
            int64_t count = allowance(wire, sent, *started_ns, now, publisher->at_once);
            if (count <= 0) break;
            for (int64_t i = 0; i < count; i++) sent_at[sent + i] = now;
            publisher->append(wire, sent, count, now);
            sent += count;
        }
        turn_wire(wire, sent < options.records ? due_ns(*started_ns, sent) : 0);
        while (publisher->take(wire)) {}
    }
}

void receive_all(struct wire *wire, bool (*take)(struct wire *wire), uint64_t *started_ns)
{
    *started_ns = now_ns();
    fputs("ready\n", stderr);
    while (tally.next < options.records) {
        turn_wire(wire, 0);
        while (tally.next < options.records && take(wire)) {}
    }
}
