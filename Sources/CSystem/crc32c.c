#include "CSystem.h"
#include <string.h>

/* Castagnoli, reflected: 0x82F63B78. The table serves machines without the instruction. */
static uint32_t table[256];

__attribute__((constructor(199))) static void fill_table(void) {
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++) c = (c >> 1) ^ ((c & 1) ? 0x82F63B78u : 0);
        table[i] = c;
    }
}

static uint32_t crc_table(uint32_t c, const uint8_t *p, size_t n) {
    while (n--) c = (c >> 8) ^ table[(c ^ *p++) & 0xff];
    return c;
}

#if defined(__x86_64__)
#include <nmmintrin.h>
/* Three checksums side by side: the instruction takes one word a cycle, its answer comes three later. The three parts are joined
   by tables that say what `far` or `near` more zeros would have made of a checksum; that is linear in its bits. */
enum { far = 2048, near = 192 };
static uint32_t over_far[4][256], over_near[4][256];

static void fill_shift(uint32_t shift[4][256], size_t zeros) {
    uint32_t bits[32];
    for (int i = 0; i < 32; i++) {
        static const uint8_t nothing[far];
        bits[i] = crc_table((uint32_t)1 << i, nothing, zeros);
    }
    for (int part = 0; part < 4; part++) {
        for (int byte = 0; byte < 256; byte++) {
            uint32_t sum = 0;
            for (int i = 0; i < 8; i++) if (byte >> i & 1) sum ^= bits[8 * part + i];
            shift[part][byte] = sum;
        }
    }
}
static inline uint32_t shifted(uint32_t shift[4][256], uint32_t c) {
    return shift[0][c & 0xff] ^ shift[1][c >> 8 & 0xff] ^ shift[2][c >> 16 & 0xff] ^ shift[3][c >> 24];
}
__attribute__((constructor(200))) static void fill_shifts(void) {
    fill_shift(over_far, far);
    fill_shift(over_near, near);
}
static inline uint64_t word(const uint8_t *p) {
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}
__attribute__((target("sse4.2"))) static inline uint32_t three(uint32_t c, const uint8_t *p, size_t part, uint32_t shift[4][256]) {
    uint64_t first = c, second = 0, third = 0;
    for (size_t i = 0; i < part; i += 8) {
        first = _mm_crc32_u64(first, word(p + i));
        second = _mm_crc32_u64(second, word(p + part + i));
        third = _mm_crc32_u64(third, word(p + 2 * part + i));
    }
    return shifted(shift, shifted(shift, (uint32_t)first) ^ (uint32_t)second) ^ (uint32_t)third;
}
__attribute__((target("sse4.2"))) static uint32_t crc_hardware(uint32_t c, const uint8_t *p, size_t n) {
    for (; n >= 3 * far; p += 3 * far, n -= 3 * far) c = three(c, p, far, over_far);
    for (; n >= 3 * near; p += 3 * near, n -= 3 * near) c = three(c, p, near, over_near);
    uint64_t c64 = c;
    for (; n >= 8; p += 8, n -= 8) c64 = _mm_crc32_u64(c64, word(p));
    c = (uint32_t)c64;
    while (n--) c = _mm_crc32_u8(c, *p++);
    return c;
}
static int has_hardware(void) { return __builtin_cpu_supports("sse4.2"); }
#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
static uint32_t crc_hardware(uint32_t c, const uint8_t *p, size_t n) {
    while (n >= 8) {
        uint64_t v;
        memcpy(&v, p, 8);
        c = __crc32cd(c, v);
        p += 8;
        n -= 8;
    }
    while (n--) c = __crc32cb(c, *p++);
    return c;
}
static int has_hardware(void) { return 1; }
#else
static uint32_t crc_hardware(uint32_t c, const uint8_t *p, size_t n) { return crc_table(c, p, n); }
static int has_hardware(void) { return 0; }
#endif

uint32_t squall_crc32c(uint32_t crc, const void *bytes, size_t length) {
    uint32_t c = ~crc;
    c = has_hardware() ? crc_hardware(c, bytes, length) : crc_table(c, bytes, length);
    return ~c;
}
