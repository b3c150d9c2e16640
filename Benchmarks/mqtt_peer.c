/*
 * MQTT 3.1.1 at quality of service 1, as far as a publisher and a subscriber need it.
 *
 *   mqtt_peer pub --port P --subject T --records N --size B --window W [--rate R]
 *   mqtt_peer sub --port P --subject T --records N
 *
 * The protocol is spoken here and not by the broker's own library, which writes and reads each packet by calls of
 * its own: many packets in one call let the broker show more.
 */
#include "peer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CONNECT = 0x10, CONNACK = 0x20, PUBLISH = 0x30, PUBACK = 0x40, SUBSCRIBE = 0x82, SUBACK = 0x90,
    QOS_1 = 0x02, QOS_MASK = 0x06,
    CLEAN_SESSION = 0x02,
    IDENTIFIERS = 65535,  /* of packets: 1 ... 65535 */
    LENGTH_MOST = 4,      /* bytes of a packet's length */
};

static void put16(char *at, size_t value)
{
    at[0] = (char)(value >> 8);
    at[1] = (char)value;
}

static uint16_t get16(const char *at) { return (uint16_t)((uint8_t)at[0] << 8 | (uint8_t)at[1]); }

/* The packet's first byte and length, 7 bits a byte, lowest first; returns the bytes written. */
static size_t put_head(char *at, uint8_t kind, size_t length)
{
    size_t n = 0;
    at[n++] = (char)kind;
    do {
        at[n++] = (char)((length & 0x7f) | (length > 0x7f ? 0x80 : 0));
        length >>= 7;
    } while (length > 0);
    return n;
}

/* Takes one whole packet: kind, body, length of the body; false when it has not come. */
static bool take_packet(struct wire *wire, uint8_t *kind, const char **body, size_t *length)
{
    const char *start = wire->in + wire->in_from;
    size_t have = wire->in_to - wire->in_from, at = 1;
    *length = 0;
    for (;; at++) {
        if (at >= have) return false;
        if (at > LENGTH_MOST) fail("a packet's length of more than %d bytes", LENGTH_MOST);
        *length |= (size_t)((uint8_t)start[at] & 0x7f) << 7 * (at - 1);
        if (((uint8_t)start[at] & 0x80) == 0) break;
    }
    at++;
    if (have - at < *length) return false;
    *kind = (uint8_t)*start;
    *body = start + at;
    wire->in_from += at + *length;
    return true;
}

static const char *await_packet(struct wire *wire, uint8_t wanted)
{
    uint8_t kind;
    const char *body;
    size_t length;
    while (!take_packet(wire, &kind, &body, &length)) turn_wire(wire, 0);
    if (kind != wanted || length < 2) fail("packet %#x of %zu bytes came instead of %#x", kind, length, wanted);
    return body;
}

/* CONNECT: | "MQTT" | level 4 | flags | keep alive, s | client's name | ; no keep alive: a run is short. */
static void open_connection(struct wire *wire, const char *name)
{
    static const char fixed[] = {0, 4, 'M', 'Q', 'T', 'T', 4, CLEAN_SESSION, 0, 0};
    char packet[128];
    size_t n = put_head(packet, CONNECT, sizeof fixed + 2 + strlen(name));
    memcpy(packet + n, fixed, sizeof fixed);
    put16(packet + n + sizeof fixed, strlen(name));
    connect_wire(wire);
    append_output(wire, packet, n + sizeof fixed + 2);
    append_output(wire, name, strlen(name));
    const char *answer = await_packet(wire, CONNACK);
    if (answer[1] != 0) fail("the broker refused with code %d", answer[1]);
}

/* Which record a packet identifier stands for. */
static int64_t number_of[IDENTIFIERS + 1];

static void append(struct wire *wire, int64_t first, int64_t count, uint64_t sent_ns)
{
    const size_t topic = strlen(options.subject), length = 2 + topic + 2 + (size_t)options.size;
    for (int64_t i = 0; i < count; i++) {
        char head[1 + LENGTH_MOST];
        size_t n = put_head(head, PUBLISH | QOS_1, length), identifier = (size_t)((first + i) % IDENTIFIERS) + 1;
        char *at = extend_output(wire, n + length);
        memcpy(at, head, n);
        put16(at + n, topic);
        memcpy(at + n + 2, options.subject, topic);
        put16(at + n + 2 + topic, identifier);
        at += n + 2 + topic + 2;
        memset(at, 'x', (size_t)options.size);
        stamp_record(at, first + i, sent_ns);
        number_of[identifier] = first + i;
    }
}

static bool take_acknowledgement(struct wire *wire)
{
    uint8_t kind;
    const char *body;
    size_t length;
    if (!take_packet(wire, &kind, &body, &length)) return false;
    if (kind != PUBACK || length < 2) fail("the publisher got packet %#x of %zu bytes", kind, length);
    acknowledge(number_of[get16(body)]);
    return true;
}

static int publish(void)
{
    struct wire wire;
    if (options.window > IDENTIFIERS) fail("--window is at most %d: packets have no more identifiers", IDENTIFIERS);
    open_connection(&wire, "pub");
    const struct publisher publisher = {.append = append, .take = take_acknowledgement, .at_once = options.window};
    uint64_t started_ns;
    publish_all(&wire, &publisher, &started_ns);
    return report("pub", started_ns, tally.finished_ns, true);
}

/* PUBLISH: | topic | identifier, 2, when the quality is above 0 | payload | */
static bool take_record(struct wire *wire)
{
    uint8_t kind;
    const char *body;
    size_t length;
    if (!take_packet(wire, &kind, &body, &length)) return false;
    if ((kind & 0xf0) != PUBLISH || (kind & QOS_MASK) != QOS_1) fail("the subscriber got packet %#x", kind);
    size_t skip = length < 2 ? 0 : 2u + get16(body) + 2;
    if (skip == 0 || skip > length) fail("a record's packet of %zu bytes", length);
    char answer[4] = {(char)PUBACK, 2, body[skip - 2], body[skip - 1]};
    receive_record(body + skip, length - skip);
    append_output(wire, answer, sizeof answer);
    return true;
}

static int subscribe(void)
{
    struct wire wire;
    const size_t topic = strlen(options.subject);
    char packet[16];
    open_connection(&wire, "sub");
    size_t n = put_head(packet, SUBSCRIBE, 2 + 2 + topic + 1);
    put16(packet + n, 1); /* this packet's identifier */
    put16(packet + n + 2, topic);
    append_output(&wire, packet, n + 4);
    append_output(&wire, options.subject, topic);
    append_output(&wire, "\1", 1); /* the quality of service */
    const char *answer = await_packet(&wire, SUBACK);
    if (get16(answer) != 1) fail("the answer is not to the subscription");
    uint64_t started_ns;
    receive_all(&wire, take_record, &started_ns);
    return report("sub", started_ns, tally.finished_ns, true);
}

int main(int argc, char **argv)
{
    if (argc < 2) fail("usage: mqtt_peer pub|sub --port P --subject T ...");
    parse_options(argc, argv);
    if (options.subject == NULL) fail("--subject is missing");
    start_tally();
    if (strcmp(argv[1], "pub") == 0) return publish();
    if (strcmp(argv[1], "sub") == 0) return subscribe();
    fail("unknown command %s", argv[1]);
}
