/* Frames of the RabbitMQ stream protocol; see rabbit_wire.h. */
#define _GNU_SOURCE
#include "rabbit_wire.h"

#include <endian.h>
#include <string.h>

enum { FRAME_HEAD = 4 }; /* bytes of the size */

void put8(struct wire *w, uint8_t v) { append_output(w, &v, 1); }
void put16(struct wire *w, uint16_t v) { v = htobe16(v); append_output(w, &v, 2); }
void put32(struct wire *w, uint32_t v) { v = htobe32(v); append_output(w, &v, 4); }
void put64(struct wire *w, uint64_t v) { v = htobe64(v); append_output(w, &v, 8); }
void put_text(struct wire *w, const char *text)
{
    put16(w, (uint16_t)strlen(text));
    append_output(w, text, strlen(text));
}

uint16_t get16(const char *p) { uint16_t v; memcpy(&v, p, 2); return be16toh(v); }
uint32_t get32(const char *p) { uint32_t v; memcpy(&v, p, 4); return be32toh(v); }
uint64_t get64(const char *p) { uint64_t v; memcpy(&v, p, 8); return be64toh(v); }

size_t begin_frame(struct wire *w, uint16_t key)
{
    put32(w, 0);
    size_t start = w->out_to - w->out_from;
    put16(w, key);
    put16(w, 1);
    return start;
}

void end_frame(struct wire *w, size_t start)
{
    uint32_t size = htobe32((uint32_t)(w->out_to - w->out_from - start));
    memcpy(w->out + w->out_from + start - FRAME_HEAD, &size, FRAME_HEAD);
}

bool take_frame(struct wire *w, uint16_t *key, const char **body, size_t *size)
{
    size_t have = w->in_to - w->in_from;
    if (have < FRAME_HEAD) return false;
    size_t whole = get32(w->in + w->in_from);
    if (whole < 4) fail("a frame of %zu bytes", whole);
    if (have - FRAME_HEAD < whole) return false;
    const char *frame = w->in + w->in_from + FRAME_HEAD;
    *key = get16(frame);
    *body = frame + 4;
    *size = whole - 4;
    w->in_from += FRAME_HEAD + whole;
    return true;
}

void await_frame(struct wire *w, uint16_t wanted, const char **body, size_t *size)
{
    uint16_t key;
    for (;;) {
        while (!take_frame(w, &key, body, size)) turn_wire(w, 0);
        if (key == wanted) return;
        if (key != HEARTBEAT && key != METADATA_UPDATE && key != TUNE) fail("frame %#x came instead of %#x", key, wanted);
    }
}

const char *await_answer(struct wire *w, uint16_t key, const char *what)
{
    const char *body;
    size_t size;
    await_frame(w, key | ANSWER, &body, &size);
    if (size < 6) fail("%s: an answer of %zu bytes", what, size);
    if (get16(body + 4) != CODE_OK) fail("%s: refused with code %u", what, get16(body + 4));
    return body;
}

void open_connection(struct wire *w)
{
    static const char plain[] = "\0guest\0guest";
    const char *body;
    size_t size, frame;
    connect_wire(w);
    frame = begin_frame(w, PEER_PROPERTIES);
    put32(w, 1);
    put32(w, 0); /* no properties */
    end_frame(w, frame);
    await_answer(w, PEER_PROPERTIES, "properties");
    frame = begin_frame(w, SASL_HANDSHAKE);
    put32(w, 2);
    end_frame(w, frame);
    await_answer(w, SASL_HANDSHAKE, "handshake");
    frame = begin_frame(w, SASL_AUTHENTICATE);
    put32(w, 3);
    put_text(w, "PLAIN");
    put32(w, sizeof plain - 1);
    append_output(w, plain, sizeof plain - 1);
    end_frame(w, frame);
    await_answer(w, SASL_AUTHENTICATE, "log in");
    await_frame(w, TUNE, &body, &size);
    uint32_t frame_max = get32(body);
    frame = begin_frame(w, TUNE);
    put32(w, frame_max);
    put32(w, 0); /* no heartbeats */
    end_frame(w, frame);
    frame = begin_frame(w, OPEN);
    put32(w, 4);
    put_text(w, "/");
    end_frame(w, frame);
    await_answer(w, OPEN, "open");
}
