/*
 * The peer's side of a benchmark: a publisher and a subscriber for NATS by its own C library.
 *
 *   nats_peer create --url U --stream S --subject T --replicas R [--memory]   makes the stream, waits for all replicas
 *   nats_peer pub    --url U --subject T --records N --size B [--jetstream --window W] [--rate R]
 *   nats_peer sub    --url U --subject T --records N [--jetstream --stream S]
 *
 * Each prints one JSON line. The subscriber first prints `ready` on standard error, once its subscription
 * stands. With --jetstream the publisher sends with at most W unacknowledged records and the subscriber is an
 * ordered consumer (no acknowledgements, the cheapest that JetStream has); without it both are core NATS.
 */
#define _GNU_SOURCE
#include "peer.h"

#include <errno.h>
#include <inttypes.h>
#include <nats/nats.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { POLL_MS = 10 }; /* between two looks at a condition */

/* Set by the library's one delivery thread, which alone counts, once the last record came. */
static sem_t finished;

static void check(natsStatus s, const char *what)
{
    if (s != NATS_OK) fail("%s: %s", what, natsStatus_GetText(s));
}

static void pause_ms(long ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

static void acknowledged(jsCtx *js, natsMsg *message, jsPubAck *ack, jsPubAckErr *error, void *closure)
{
    (void)js, (void)closure;
    uint64_t sent_ns;
    if (ack == NULL || error != NULL) {
        if (atomic_fetch_add(&tally.failed, 1) == 0) fprintf(stderr, "nats_peer: not acknowledged: %s\n", error ? error->ErrText : "no reason");
    } else {
        memcpy(&sent_ns, natsMsg_GetData(message) + sizeof(int64_t), sizeof sent_ns);
        count_record(sent_ns);
    }
    natsMsg_Destroy(message);
}

static void received(natsConnection *connection, natsSubscription *subscription, natsMsg *message, void *closure)
{
    (void)connection, (void)subscription, (void)closure;
    receive_record(natsMsg_GetData(message), (size_t)natsMsg_GetDataLength(message));
    natsMsg_Destroy(message);
    if (tally.next == options.records) sem_post(&finished);
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
    natsOptions *o = NULL;
    check(natsOptions_Create(&o), "natsOptions_Create");
    check(natsOptions_SetURL(o, options.url), "natsOptions_SetURL");
    /* At a rate each record goes at once; at full load the library gathers several for a write. */
    check(natsOptions_SetSendAsap(o, options.rate != 0), "natsOptions_SetSendAsap");
    check(natsConnection_Connect(&connection, o), options.url);
    natsOptions_Destroy(o);
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
    c.Storage = options.memory ? js_MemoryStorage : js_FileStorage;
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

static void await_due(uint64_t started_ns, int64_t number)
{
    uint64_t due = due_ns(started_ns, number);
    if (due == 0) return;
    const struct timespec until = {.tv_sec = (time_t)(due / 1000000000u), .tv_nsec = (long)(due % 1000000000u)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) {}
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
        await_due(started_ns, number);
        stamp_record(record, number, now_ns());
        natsStatus s = js != NULL ? js_PublishAsync(js, options.subject, record, (int)options.size, NULL)
                                  : natsConnection_Publish(connection, options.subject, record, (int)options.size);
        if (s != NATS_OK) fail("publish of record %" PRId64 ": %s", number, natsStatus_GetText(s));
    }
    uint64_t finished_ns;
    if (js != NULL) {
        jsPubOptions o;
        check(jsPubOptions_Init(&o), "jsPubOptions_Init");
        o.MaxWait = WAIT_MS;
        check(js_PublishAsyncComplete(js, &o), "wait for the last acknowledgement");
        /* Complete counts a record as done before its handler runs: wait for the handler's count. */
        for (int waited = 0; atomic_load(&tally.seen) + atomic_load(&tally.failed) < options.records && waited < WAIT_MS; waited++) pause_ms(1);
        finished_ns = tally.finished_ns;
    } else {
        check(natsConnection_FlushTimeout(connection, WAIT_MS), "flush");
        finished_ns = now_ns();
    }
    int status = report("pub", started_ns, finished_ns, js != NULL);
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
        if (sem_timedwait(&finished, &until) == 0) return;
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
    int status = report("sub", started_ns, counted > 0 ? tally.finished_ns : now_ns(), true);
    natsSubscription_Destroy(records);
    natsSubscription_Destroy(question);
    jsCtx_Destroy(js);
    natsConnection_Destroy(connection);
    return status;
}

int main(int argc, char **argv)
{
    if (argc < 2) fail("usage: nats_peer create|pub|sub --url U --subject T ...");
    if (strcmp(argv[1], "--version") == 0) return puts(nats_GetVersion()) < 0;
    parse_options(argc, argv);
    if (options.subject == NULL) fail("--subject is missing");
    if (sem_init(&finished, 0, 0) != 0) fail("no semaphore");
    start_tally();
    int status = 0;
    if (strcmp(argv[1], "create") == 0) create();
    else if (strcmp(argv[1], "pub") == 0) status = publish();
    else if (strcmp(argv[1], "sub") == 0) status = subscribe();
    else fail("unknown command %s", argv[1]);
    nats_Close();
    return status;
}
