/*
 * The peer's side of a benchmark: a publisher and a subscriber for NATS by its own C library.
 *
 *   nats_peer create --url U --stream S --subject T --replicas R      makes the stream, waits for all replicas
 *   nats_peer pub    --url U --subject T --records N --size B [--jetstream --window W]
 *   nats_peer sub    --url U --subject T --records N [--jetstream --stream S]
 *
 * Each prints one JSON line. The subscriber first prints `ready` on standard error, once its subscription
 * stands. With --jetstream the publisher sends with at most W unacknowledged records and the subscriber is an
 * ordered consumer (no acknowledgements, the cheapest that JetStream has); without it both are core NATS.
 *
 * A record, B >= 16 bytes:
 *
 *   0        8                16           B
 *   | number | sent at, ns    | 'x' ...    |     little-endian; CLOCK_MONOTONIC, one machine for both ends
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <nats/nats.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    HEAD = 16,               /* bytes of a record that carry its number and its time */
    RECORDS_MAX = 100000000, /* 4 bytes of latency are kept for each: 400 MB */
    WAIT_MS = 30000,         /* longest silence before a side gives up */
    POLL_MS = 10,            /* between two looks at a condition */
};

static struct {
    const char *url, *stream, *subject;
    int64_t records, size, window, replicas;
    bool jetstream;
} options = {.url = "nats://127.0.0.1:4222", .records = 100000, .size = 100, .window = 4096, .replicas = 3};

/* What a side has seen. Written by the library's one delivery thread, read by main after `finished`. */
static struct {
    _Atomic int64_t seen, failed;
    int64_t next, duplicates, gaps;
    uint64_t finished_ns;
    uint32_t *latency_us;
    sem_t finished;
} tally;

static void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("nats_peer: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

static void check(natsStatus s, const char *what)
{
    if (s != NATS_OK) fail("%s: %s", what, natsStatus_GetText(s));
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void pause_ms(long ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

static int ascending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Counts one record that came (subscriber) or was acknowledged (publisher); its time is in its own bytes. */
static void count(uint64_t sent_ns)
{
    uint64_t at = now_ns();
    int64_t index = atomic_load_explicit(&tally.seen, memory_order_relaxed);
    if (index >= options.records) return;
    tally.latency_us[index] = (uint32_t)((at - sent_ns) / 1000);
    tally.finished_ns = at;
    atomic_store_explicit(&tally.seen, index + 1, memory_order_release);
}

static void head_of(natsMsg *message, int64_t *number, uint64_t *sent_ns)
{
    if (natsMsg_GetDataLength(message) < HEAD) fail("a record of %d bytes came", natsMsg_GetDataLength(message));
    memcpy(number, natsMsg_GetData(message), 8);
    memcpy(sent_ns, natsMsg_GetData(message) + 8, 8);
}

static void acknowledged(jsCtx *js, natsMsg *message, jsPubAck *ack, jsPubAckErr *error, void *closure)
{
    (void)js, (void)closure;
    int64_t number;
    uint64_t sent_ns;
    if (ack == NULL || error != NULL) {
        if (atomic_fetch_add(&tally.failed, 1) == 0) fprintf(stderr, "nats_peer: not acknowledged: %s\n", error ? error->ErrText : "no reason");
    } else {
        head_of(message, &number, &sent_ns);
        count(sent_ns);
    }
    natsMsg_Destroy(message);
}

static void received(natsConnection *connection, natsSubscription *subscription, natsMsg *message, void *closure)
{
    (void)connection, (void)subscription, (void)closure;
    int64_t number;
    uint64_t sent_ns;
    head_of(message, &number, &sent_ns);
    natsMsg_Destroy(message);
    if (number < tally.next) {
        tally.duplicates++;
        return;
    }
    if (number > tally.next) tally.gaps += number - tally.next;
    tally.next = number + 1;
    count(sent_ns);
    if (tally.next == options.records) sem_post(&tally.finished);
}

/* Answers the core publisher's question whether the subscription has reached its server. */
static void answer(natsConnection *connection, natsSubscription *subscription, natsMsg *message, void *closure)
{
    (void)subscription, (void)closure;
    const char *reply = natsMsg_GetReply(message);
    if (reply != NULL) check(natsConnection_PublishString(connection, reply, "ready"), "answer");
    natsMsg_Destroy(message);
}

static natsConnection *connect_to_server(void)
{
    natsConnection *connection = NULL;
    check(natsConnection_ConnectTo(&connection, options.url), options.url);
    return connection;
}

static jsCtx *jetstream_of(natsConnection *connection)
{
    jsCtx *js = NULL;
    jsOptions o;
    check(jsOptions_Init(&o), "jsOptions_Init");
    o.Wait = WAIT_MS;
    o.PublishAsync.MaxPending = options.window;
    o.PublishAsync.StallWait = WAIT_MS;
    o.PublishAsync.AckHandler = acknowledged;
    check(natsConnection_JetStream(&js, connection, &o), "JetStream context");
    return js;
}

/* Whether the stream has a leader and every follower has caught up with it. */
static bool complete(const jsStreamInfo *info)
{
    if (options.replicas == 1) return true;
    if (info->Cluster == NULL || info->Cluster->Leader == NULL || info->Cluster->Leader[0] == 0) return false;
    int current = 1;
    for (int i = 0; i < info->Cluster->ReplicasLen; i++)
        if (info->Cluster->Replicas[i]->Current && !info->Cluster->Replicas[i]->Offline) current++;
    return current == options.replicas;
}

static void create(void)
{
    natsConnection *connection = connect_to_server();
    jsCtx *js = jetstream_of(connection);
    jsStreamConfig c;
    check(jsStreamConfig_Init(&c), "jsStreamConfig_Init");
    c.Name = options.stream;
    c.Subjects = &options.subject;
    c.SubjectsLen = 1;
    c.Storage = js_FileStorage;
    c.Replicas = options.replicas;
    check(js_AddStream(NULL, js, &c, NULL, NULL), "create stream");
    for (int waited = 0;; waited += POLL_MS) {
        jsStreamInfo *info = NULL;
        natsStatus s = js_GetStreamInfo(&info, js, options.stream, NULL, NULL);
        if (s == NATS_OK && complete(info)) {
            const char *leader = info->Cluster && info->Cluster->Leader ? info->Cluster->Leader : "";
            printf("{\"stream\":\"%s\",\"replicas\":%" PRId64 ",\"leader\":\"%s\"}\n", options.stream, options.replicas, leader);
            jsStreamInfo_Destroy(info);
            break;
        }
        jsStreamInfo_Destroy(info);
        if (waited > WAIT_MS) fail("stream %s: no leader with all replicas after %d ms", options.stream, WAIT_MS);
        pause_ms(POLL_MS);
    }
    jsCtx_Destroy(js);
    natsConnection_Destroy(connection);
}

/* One JSON line of a side's tally; exit status 1 when something is missing. */
static int report(const char *role, int64_t counted, uint64_t started_ns, uint64_t finished_ns, bool latencies)
{
    double seconds = (double)(finished_ns - started_ns) * 1e-9;
    printf("{\"role\":\"%s\",\"records\":%" PRId64 ",\"counted\":%" PRId64 ",\"lost\":%" PRId64 ",\"failed\":%" PRId64
           ",\"duplicates\":%" PRId64 ",\"gaps\":%" PRId64 ",\"size\":%" PRId64 ",\"window\":%" PRId64
           ",\"seconds\":%.6f,\"records_per_second\":%.0f,\"started_ns\":%" PRIu64 ",\"finished_ns\":%" PRIu64,
           role, options.records, counted, options.records - counted, atomic_load(&tally.failed), tally.duplicates, tally.gaps,
           options.size, options.window, seconds, seconds > 0 ? (double)counted / seconds : 0, started_ns, finished_ns);
    int64_t n = latencies ? counted : 0;
    if (n > 0) {
        qsort(tally.latency_us, (size_t)n, sizeof tally.latency_us[0], ascending);
        printf(",\"p50_us\":%u,\"p99_us\":%u,\"max_us\":%u", tally.latency_us[n / 2], tally.latency_us[n * 99 / 100],
               tally.latency_us[n - 1]);
    }
    puts("}");
    return counted == options.records && atomic_load(&tally.failed) == 0 ? 0 : 1;
}

/* Core NATS keeps nothing for latecomers: ask until the subscriber answers, so that its interest is known here. */
static void await_subscriber(natsConnection *connection)
{
    char subject[256];
    snprintf(subject, sizeof subject, "%s.ready", options.subject);
    for (int waited = 0; waited < WAIT_MS; waited += POLL_MS) {
        natsMsg *reply = NULL;
        natsStatus s = natsConnection_RequestString(&reply, connection, subject, "?", WAIT_MS);
        natsMsg_Destroy(reply);
        if (s == NATS_OK) return;
        if (s != NATS_NO_RESPONDERS) check(s, "await the subscriber");
        pause_ms(POLL_MS);
    }
    fail("no subscriber after %d ms", WAIT_MS);
}

static int publish(void)
{
    natsConnection *connection = connect_to_server();
    jsCtx *js = options.jetstream ? jetstream_of(connection) : NULL;
    char *record = malloc((size_t)options.size);
    if (record == NULL) fail("no memory");
    memset(record, 'x', (size_t)options.size);
    if (!options.jetstream) await_subscriber(connection);

    uint64_t started_ns = now_ns();
    for (int64_t number = 0; number < options.records; number++) {
        uint64_t sent_ns = now_ns();
        memcpy(record, &number, 8);
        memcpy(record + 8, &sent_ns, 8);
        natsStatus s = js != NULL ? js_PublishAsync(js, options.subject, record, (int)options.size, NULL)
                                  : natsConnection_Publish(connection, options.subject, record, (int)options.size);
        if (s != NATS_OK) fail("publish of record %" PRId64 ": %s", number, natsStatus_GetText(s));
    }
    int64_t counted = options.records;
    uint64_t finished_ns;
    if (js != NULL) {
        jsPubOptions o;
        check(jsPubOptions_Init(&o), "jsPubOptions_Init");
        o.MaxWait = WAIT_MS;
        check(js_PublishAsyncComplete(js, &o), "wait for the last acknowledgement");
        /* Complete counts a record as done before its handler runs: wait for the handler's count. */
        for (int waited = 0; atomic_load(&tally.seen) + atomic_load(&tally.failed) < options.records && waited < WAIT_MS; waited++) pause_ms(1);
        counted = atomic_load_explicit(&tally.seen, memory_order_acquire);
        finished_ns = tally.finished_ns;
    } else {
        check(natsConnection_FlushTimeout(connection, WAIT_MS), "flush");
        finished_ns = now_ns();
    }
    int status = report("pub", counted, started_ns, finished_ns, js != NULL);
    jsCtx_Destroy(js);
    natsConnection_Destroy(connection);
    free(record);
    return status;
}

/* Waits until the last record came or none came for WAIT_MS. */
static void await_records(void)
{
    int64_t before = -1;
    for (;;) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += WAIT_MS / 1000;
        if (sem_timedwait(&tally.finished, &until) == 0) return;
        if (errno == EINTR) continue;
        int64_t seen = atomic_load_explicit(&tally.seen, memory_order_acquire);
        if (seen == before) return;
        before = seen;
    }
}

static int subscribe(void)
{
    natsConnection *connection = connect_to_server();
    jsCtx *js = options.jetstream ? jetstream_of(connection) : NULL;
    natsSubscription *records = NULL, *question = NULL;
    char subject[256];
    if (js != NULL) {
        jsSubOptions o;
        check(jsSubOptions_Init(&o), "jsSubOptions_Init");
        o.Stream = options.stream;
        o.Ordered = true;
        check(js_Subscribe(&records, js, options.subject, received, NULL, NULL, &o, NULL), "subscribe");
    } else {
        check(natsConnection_Subscribe(&records, connection, options.subject, received, NULL), "subscribe");
        snprintf(subject, sizeof subject, "%s.ready", options.subject);
        check(natsConnection_Subscribe(&question, connection, subject, answer, NULL), "subscribe");
    }
    check(natsSubscription_SetPendingLimits(records, -1, -1), "pending limits");
    check(natsConnection_FlushTimeout(connection, WAIT_MS), "flush");
    uint64_t started_ns = now_ns();
    fputs("ready\n", stderr);
    await_records();
    int64_t counted = atomic_load_explicit(&tally.seen, memory_order_acquire);
    int status = report("sub", counted, started_ns, counted > 0 ? tally.finished_ns : now_ns(), true);
    natsSubscription_Destroy(records);
    natsSubscription_Destroy(question);
    jsCtx_Destroy(js);
    natsConnection_Destroy(connection);
    return status;
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

static void parse(int argc, char **argv)
{
    for (int i = 2; i < argc; i++) {
        const char *name = argv[i];
        if (strcmp(name, "--jetstream") == 0) {
            options.jetstream = true;
            continue;
        }
        if (++i == argc) fail("%s needs a value", name);
        if (strcmp(name, "--url") == 0) options.url = argv[i];
        else if (strcmp(name, "--stream") == 0) options.stream = argv[i];
        else if (strcmp(name, "--subject") == 0) options.subject = argv[i];
        else if (strcmp(name, "--records") == 0) options.records = number_option(name, argv[i], 1, RECORDS_MAX);
        else if (strcmp(name, "--size") == 0) options.size = number_option(name, argv[i], HEAD, 1 << 20);
        else if (strcmp(name, "--window") == 0) options.window = number_option(name, argv[i], 1, 1 << 20);
        else if (strcmp(name, "--replicas") == 0) options.replicas = number_option(name, argv[i], 1, 5);
        else fail("unknown option %s", name);
    }
    if (options.subject == NULL) fail("--subject is missing");
    if (options.stream == NULL) options.stream = "bench";
}

int main(int argc, char **argv)
{
    if (argc < 2) fail("usage: nats_peer create|pub|sub --url U --subject T ...");
    if (strcmp(argv[1], "--version") == 0) return puts(nats_GetVersion()) < 0;
    parse(argc, argv);
    tally.latency_us = calloc((size_t)options.records, sizeof tally.latency_us[0]);
    if (tally.latency_us == NULL || sem_init(&tally.finished, 0, 0) != 0) fail("no memory");
    int status = 0;
    if (strcmp(argv[1], "create") == 0) create();
    else if (strcmp(argv[1], "pub") == 0) status = publish();
    else if (strcmp(argv[1], "sub") == 0) status = subscribe();
    else fail("unknown command %s", argv[1]);
    nats_Close();
    return status;
}
