/*
 * Frames of the RabbitMQ stream protocol, version 1. All numbers are big-endian; a text has 2 bytes of length before it.
 *
 *   0       4     6         8
 *   | size  | key | version | ...        size counts what follows it
 */
#ifndef RABBIT_WIRE_H
#define RABBIT_WIRE_H

#include "peer.h"

enum {
    DECLARE_PUBLISHER = 1, PUBLISH = 2, PUBLISH_CONFIRM = 3, PUBLISH_ERROR = 4, SUBSCRIBE = 7, DELIVER = 8, CREDIT = 9, CREATE = 13,
    DELETE = 14, METADATA = 15, METADATA_UPDATE = 16, PEER_PROPERTIES = 17, SASL_HANDSHAKE = 18, SASL_AUTHENTICATE = 19, TUNE = 20,
    OPEN = 21, HEARTBEAT = 23,
    ANSWER = 0x8000, /* set in the key of an answer */
    CODE_OK = 1,
    OFFSET_FIRST = 1,
};

void put8(struct wire *w, uint8_t v);
void put16(struct wire *w, uint16_t v);
void put32(struct wire *w, uint32_t v);
void put64(struct wire *w, uint64_t v);
void put_text(struct wire *w, const char *text);
uint16_t get16(const char *p);
uint32_t get32(const char *p);
uint64_t get64(const char *p);

/* Begins a frame; its size is set by end_frame. Nothing may be sent in between. */
size_t begin_frame(struct wire *w, uint16_t key);
void end_frame(struct wire *w, size_t start);

/* The next whole frame without size, key and version; false when it has not come. It stays valid until the wire is turned. */
bool take_frame(struct wire *w, uint16_t *key, const char **body, size_t *size);
void await_frame(struct wire *w, uint16_t wanted, const char **body, size_t *size);

/* An answer's body is | correlation, 4 | code, 2 | ... ; another code than OK ends the program. */
const char *await_answer(struct wire *w, uint16_t key, const char *what);

/* Connects to options.port and logs in as "guest", as a new node lets loopback do. */
void open_connection(struct wire *w);

#endif
