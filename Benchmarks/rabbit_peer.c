/*
 * RabbitMQ streams by their own protocol, version 1, as far as a publisher and a subscriber need it.
 *
 *   rabbit_peer create --port P --stream S                    makes the stream, prints the ports of its leader and of a replica
 *   rabbit_peer delete --port P --stream S
 *   rabbit_peer pub    --port P --stream S --records N --size B --window W [--batch K] [--rate R]
 *   rabbit_peer sub    --port P --stream S --records N
 *
 * With --batch K one entry of the stream holds K records: one publishing id, one confirmation, no compression.
 */
#define _GNU_SOURCE
#include "rabbit_wire.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    CHUNK_HEAD = 48,     /* bytes of a chunk before its entries */
    SUB_ENTRY_HEAD = 11, /* kind, records, bytes before and after compression */
    CREDITS = 64,        /* chunks on their way to the subscriber */
    FRAME_RECORDS = 1000 /* in one frame, at most */
};

/* Ports of the stream's leader and of one other replica; false while it has not both.
   Metadata: | correlation | brokers: count, | reference, 2 | host | port, 4 | ... | streams: count, | name | code, 2 | leader, 2 | replicas | */
static bool ask_places(struct wire *w, uint32_t *leader, uint32_t *replica)
{
    enum { BROKERS_MAX = 16 };
    struct { uint16_t reference; uint32_t port; } brokers[BROKERS_MAX];
    const char *body;
    size_t size, frame = begin_frame(w, METADATA);
    put32(w, 6);
    put32(w, 1);
    put_text(w, options.stream);
    end_frame(w, frame);
    await_frame(w, METADATA | ANSWER, &body, &size);
    const char *at = body + 4;
    uint32_t count = get32(at);
    at += 4;
    if (count > BROKERS_MAX) fail("%u brokers", count);
    for (uint32_t i = 0; i < count; i++) {
        brokers[i].reference = get16(at);
        at += 4 + get16(at + 2);
        brokers[i].port = get32(at);
        at += 4;
    }
    if (get32(at) != 1) fail("the answer is about %u streams", get32(at));
    at += 4;
    at += 2 + get16(at);
    uint16_t code = get16(at), first = get16(at + 2);
    uint32_t replicas = get32(at + 4);
    if (code != CODE_OK || replicas + 1 < (uint32_t)options.replicas) return false;
    uint16_t second = get16(at + 8);
    *leader = *replica = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (brokers[i].reference == first) *leader = brokers[i].port;
        if (brokers[i].reference == second) *replica = brokers[i].port;
    }
    return *leader != 0 && *replica != 0;
}

static int create(void)
{
    struct wire w;
    open_connection(&w);
    size_t frame = begin_frame(&w, CREATE);
    put32(&w, 5);
    put_text(&w, options.stream);
    put32(&w, 0); /* no arguments: a replica on each node */
    end_frame(&w, frame);
    await_answer(&w, CREATE, "create the stream");
    const struct timespec pause = {.tv_nsec = 20000000};
    uint32_t leader, replica;
    for (uint64_t start = now_ns(); !ask_places(&w, &leader, &replica); nanosleep(&pause, NULL))
        if (now_ns() - start > WAIT_MS * 1000000ull) fail("stream %s has no %" PRId64 " replicas after %d ms", options.stream, options.replicas, WAIT_MS);
    printf("{\"stream\":\"%s\",\"leader_port\":%u,\"replica_port\":%u}\n", options.stream, leader, replica);
    return 0;
}

static int delete(void)
{
    struct wire w;
    open_connection(&w);
    size_t frame = begin_frame(&w, DELETE);
    put32(&w, 5);
    put_text(&w, options.stream);
    end_frame(&w, frame);
    await_answer(&w, DELETE, "delete the stream");
    return 0;
}

/* One record as an entry, or as a part of one: | bytes, 4 | payload | */
static void put_record(struct wire *w, int64_t number, uint64_t sent_ns)
{
    put32(w, (uint32_t)options.size);
    char *at = extend_output(w, (size_t)options.size);
    memset(at, 'x', (size_t)options.size);
    stamp_record(at, number, sent_ns);
}

static void append(struct wire *w, int64_t first, int64_t count, uint64_t sent_ns)
{
    size_t frame = begin_frame(w, PUBLISH);
    put8(w, 1);
    put32(w, (uint32_t)((count + options.batch - 1) / options.batch));
    for (int64_t done = 0; done < count;) {
        int64_t part = count - done < options.batch ? count - done : options.batch;
        put64(w, (uint64_t)(first + done));
        if (options.batch > 1) {
            uint32_t bytes = (uint32_t)(part * (options.size + 4));
            put8(w, 0x80); /* an entry of several records, not compressed */
            put16(w, (uint16_t)part);
            put32(w, bytes);
            put32(w, bytes);
        }
        for (int64_t i = 0; i < part; i++) put_record(w, first + done + i, sent_ns);
        done += part;
    }
    end_frame(w, frame);
}

/* How many records the entry with this publishing id has: its first record's number. */
static uint16_t *records_of_entry;

static void append_noting(struct wire *w, int64_t first, int64_t count, uint64_t sent_ns)
{
    for (int64_t done = 0; done < count; done += options.batch)
        records_of_entry[first + done] = (uint16_t)(count - done < options.batch ? count - done : options.batch);
    append(w, first, count, sent_ns);
}

static bool take_confirmation(struct wire *w)
{
    uint16_t key;
    const char *body;
    size_t size;
    if (!take_frame(w, &key, &body, &size)) return false;
    if (key == HEARTBEAT || key == METADATA_UPDATE) return true;
    if (key == PUBLISH_ERROR) fail("the publisher got an error, code %u", get16(body + 1 + 4 + 8));
    if (key != PUBLISH_CONFIRM) fail("the publisher got frame %#x", key);
    uint32_t count = get32(body + 1);
    if (size < 5 + (size_t)count * 8) fail("a confirmation of %u records in %zu bytes", count, size);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t first = get64(body + 5 + (size_t)i * 8);
        if (first >= (uint64_t)options.records) fail("record %" PRIu64 " was confirmed, which was not sent", first);
        for (uint16_t k = 0; k < records_of_entry[first]; k++) acknowledge((int64_t)(first + k));
    }
    return true;
}

static int publish(void)
{
    struct wire w;
    open_connection(&w);
    size_t frame = begin_frame(&w, DECLARE_PUBLISHER);
    put32(&w, 7);
    put8(&w, 1);
    put_text(&w, ""); /* no name: nothing is looked up for each record */
    put_text(&w, options.stream);
    end_frame(&w, frame);
    await_answer(&w, DECLARE_PUBLISHER, "declare the publisher");
    records_of_entry = calloc((size_t)options.records, sizeof records_of_entry[0]);
    if (records_of_entry == NULL) fail("no memory for %" PRId64 " entries", options.records);
    const struct publisher publisher = {.append = append_noting, .take = take_confirmation, .at_once = FRAME_RECORDS};
    uint64_t started_ns;
    publish_all(&w, &publisher, &started_ns);
    return report("pub", started_ns, tally.finished_ns, true);
}

/* Entries of a chunk: | bytes, 4 | payload | or, its first bit set, | kind | records, 2 | before, 4 | after, 4 | (bytes, 4 | payload) ... | */
static void receive_entries(const char *at, const char *end, uint32_t entries)
{
    for (uint32_t i = 0; i < entries; i++) {
        if (end - at < 4) fail("a chunk ends within an entry");
        uint32_t records = 1;
        if ((uint8_t)*at & 0x80) {
            if (((uint8_t)*at & 0x70) != 0) fail("a compressed entry came");
            records = get16(at + 1);
            at += SUB_ENTRY_HEAD;
        }
        for (uint32_t k = 0; k < records; k++) {
            uint32_t size = get32(at);
            if (end - at - 4 < (int64_t)size) fail("a chunk ends within a record of %u bytes", size);
            receive_record(at + 4, size);
            at += 4 + size;
        }
    }
}

static void give_credit(struct wire *w, uint16_t chunks)
{
    size_t frame = begin_frame(w, CREDIT);
    put8(w, 1);
    put16(w, chunks);
    end_frame(w, frame);
}

/* Deliver: | subscription | magic | type | entries, 2 | records, 4 | time, 8 | epoch, 8 | offset, 8 | CRC, 4 | data, 4 | trailer, 4 | reserved, 4 | */
static bool take_chunk(struct wire *w)
{
    uint16_t key;
    const char *body;
    size_t size;
    if (!take_frame(w, &key, &body, &size)) return false;
    if (key == HEARTBEAT || key == METADATA_UPDATE) return true;
    if (key != DELIVER) fail("the subscriber got frame %#x", key);
    if (size < 1 + CHUNK_HEAD) fail("a chunk of %zu bytes", size);
    const char *chunk = body + 1;
    uint32_t data = get32(chunk + 36);
    if (size - 1 - CHUNK_HEAD < data) fail("a chunk with %u bytes of data in a frame of %zu", data, size);
    receive_entries(chunk + CHUNK_HEAD, chunk + CHUNK_HEAD + data, get16(chunk + 2));
    give_credit(w, 1);
    return true;
}

static int subscribe(void)
{
    struct wire w;
    open_connection(&w);
    size_t frame = begin_frame(&w, SUBSCRIBE);
    put32(&w, 8);
    put8(&w, 1);
    put_text(&w, options.stream);
    put16(&w, OFFSET_FIRST);
    put16(&w, CREDITS);
    end_frame(&w, frame);
    await_answer(&w, SUBSCRIBE, "subscribe");
    uint64_t started_ns;
    receive_all(&w, take_chunk, &started_ns);
    return report("sub", started_ns, tally.finished_ns, true);
}

int main(int argc, char **argv)
{
    if (argc < 2) fail("usage: rabbit_peer create|delete|pub|sub --port P --stream S ...");
    parse_options(argc, argv);
    start_tally();
    if (strcmp(argv[1], "create") == 0) return create();
    if (strcmp(argv[1], "delete") == 0) return delete();
    if (strcmp(argv[1], "pub") == 0) return publish();
    if (strcmp(argv[1], "sub") == 0) return subscribe();
    fail("unknown command %s", argv[1]);
}
