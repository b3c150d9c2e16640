#include "CSystem.h"
#include <string.h>

/* Castagnoli, reflected: 0x82F63B78. The table serves machines without the instruction. */
static uint32_t table[256];

__attribute__((constructor)) static void fill_table(void) {
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
__attribute__((target("sse4.2"))) static uint32_t crc_hardware(uint32_t c, const uint8_t *p, size_t n) {
    uint64_t c64 = c;
    while (n >= 8) {
        uint64_t v;
        memcpy(&v, p, 8);
        c64 = _mm_crc32_u64(c64, v);
        p += 8;
        n -= 8;
    }
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
