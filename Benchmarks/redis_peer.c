/*
 * Redis streams: XADD pipelined, XREAD in blocks, by the plain protocol (RESP 2).
 *
 *   redis_peer pub --port P --stream S --records N --size B --window W [--rate R]
 *   redis_peer sub --port P --stream S --records N
 */
#include "peer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { READ_AT_ONCE = 1000 }; /* entries that one XREAD asks for */

/* A whole reply or part of an array: '*' has the number of what follows, '$' its bytes, the others a line. */
struct token {
    char kind;
    int64_t number;
    const char *bytes;
};

/* Takes the next token from the input; false when it has not come whole. */
static bool take_token(struct wire *wire, struct token *token)
{
    const char *start = wire->in + wire->in_from, *end = wire->in + wire->in_to;
    if (start == end) return false;
    const char *line = memchr(start, '\r', (size_t)(end - start));
    if (line == NULL || line + 1 == end) return false;
    *token = (struct token){.kind = *start, .bytes = start + 1, .number = line - start - 1};
    const char *next = line + 2;
    if (*start == '*' || *start == '$') token->number = strtoll(start + 1, NULL, 10);
    if (*start == '$' && token->number >= 0) {
        if (end - next < token->number + 2) return false;
        token->bytes = next;
        next += token->number + 2;
    }
    wire->in_from += (size_t)(next - start);
    return true;
}

static void refuse(const struct token *token, const char *what)
{
    if (token->kind == '-') fail("%s: %.*s", what, (int)token->number, token->bytes);
    fail("%s: an answer of kind '%c'", what, token->kind);
}

/* The command up to the payload's bytes, the same for every record. */
static char head[512];
static size_t head_size;

static void append(struct wire *wire, int64_t first, int64_t count, uint64_t sent_ns)
{
    const size_t whole = head_size + (size_t)options.size + 2;
    for (int64_t i = 0; i < count; i++) {
        char *at = extend_output(wire, whole);
        memcpy(at, head, head_size);
        memset(at + head_size, 'x', (size_t)options.size);
        stamp_record(at + head_size, first + i, sent_ns);
        memcpy(at + whole - 2, "\r\n", 2);
    }
}

static int64_t answered;

static bool take_answer(struct wire *wire)
{
    struct token token;
    if (!take_token(wire, &token)) return false;
    if (token.kind != '$') refuse(&token, "XADD");
    acknowledge(answered++);
    return true;
}

static int publish(void)
{
    struct wire wire;
    connect_wire(&wire);
    head_size = (size_t)snprintf(head, sizeof head, "*5\r\n$4\r\nXADD\r\n$%zu\r\n%s\r\n$1\r\n*\r\n$1\r\nd\r\n$%" PRId64 "\r\n",
                                 strlen(options.stream), options.stream, options.size);
    const struct publisher publisher = {.append = append, .take = take_answer, .at_once = options.window};
    uint64_t started_ns;
    publish_all(&wire, &publisher, &started_ns);
    return report("pub", started_ns, tally.finished_ns, true);
}

/* *1 *2 $stream *N, then N times *2 $id *2 $field $payload. */
static enum { OUTER, STREAM, NAME, ENTRIES, ENTRY, ID, FIELDS, FIELD, PAYLOAD } expected = OUTER;
static int64_t entries_left;
static char last_id[64] = "0";

static void ask(struct wire *wire)
{
    char text[1024];
    int size = snprintf(text, sizeof text,
                        "*8\r\n$5\r\nXREAD\r\n$5\r\nCOUNT\r\n$4\r\n%d\r\n$5\r\nBLOCK\r\n$4\r\n5000\r\n"
                        "$7\r\nSTREAMS\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n",
                        READ_AT_ONCE, strlen(options.stream), options.stream, strlen(last_id), last_id);
    append_output(wire, text, (size_t)size);
    expected = OUTER;
}

static bool take_entry(struct wire *wire)
{
    static const char kinds[] = {[OUTER] = '*', [STREAM] = '*', [NAME] = '$', [ENTRIES] = '*', [ENTRY] = '*',
                                 [ID] = '$', [FIELDS] = '*', [FIELD] = '$', [PAYLOAD] = '$'};
    struct token token;
    if (!take_token(wire, &token)) return false;
    if (token.kind != kinds[expected]) refuse(&token, "XREAD");
    if (expected == OUTER && token.number < 0) { /* nothing came while it waited */
        ask(wire);
        return true;
    }
    if (expected == ENTRIES) entries_left = token.number;
    if (expected == ID && token.number < (int64_t)sizeof last_id) {
        memcpy(last_id, token.bytes, (size_t)token.number);
        last_id[token.number] = 0;
    }
    if (expected != PAYLOAD) {
        expected++;
        return true;
    }
    receive_record(token.bytes, (size_t)token.number);
    expected = ENTRY;
    if (--entries_left == 0) ask(wire);
    return true;
}

static int subscribe(void)
{
    struct wire wire;
    connect_wire(&wire);
    ask(&wire); /* from the beginning: the stream is new */
    uint64_t started_ns;
    receive_all(&wire, take_entry, &started_ns);
    return report("sub", started_ns, tally.finished_ns, true);
}

int main(int argc, char **argv)
{
    if (argc < 2) fail("usage: redis_peer pub|sub --port P --stream S ...");
    parse_options(argc, argv);
    start_tally();
    if (strcmp(argv[1], "pub") == 0) return publish();
    if (strcmp(argv[1], "sub") == 0) return subscribe();
    fail("unknown command %s", argv[1]);
}
