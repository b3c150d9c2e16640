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
#include <immintrin.h>
/* Three checksums side by side: the instruction takes one word a cycle, its answer comes three later. The three parts are joined
   by tables that say what `far` or `near` more zeros would have made of a checksum; that is linear in its bits. */
enum { far = 2048, near = 192, lane = 1024 };
static uint32_t over_far[4][256], over_near[4][256], over_lane[4][256];

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
    fill_shift(over_lane, lane);
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

/* Long runs, where the processor multiplies polynomials four by four: 256 bytes become 16 that have the same checksum. What stands `distance`
   bits before something is worth the same as its two halves times x^(distance + 32) and x^(distance - 32), added to that (Gopal et al., Fast
   CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction, Intel 2009; bits are in reverse order here). */
struct fold { uint64_t early, late; };
static struct fold by_2048, by_512, by_256, by_128;
static int has_wide, has_mixed;
enum { wide = 256, mixed = 4096 + 3 * lane };

static uint64_t power(int n) {
    uint32_t c = 0x80000000u;
    while (n--) c = (c >> 1) ^ ((c & 1) ? 0x82F63B78u : 0);
    return (uint64_t)c << 1;
}
static struct fold fold_over(int distance) { return (struct fold){power(distance + 32), power(distance - 32)}; }
__attribute__((constructor(200))) static void fill_folds(void) {
    by_2048 = fold_over(2048);
    by_512 = fold_over(512);
    by_256 = fold_over(256);
    by_128 = fold_over(128);
    has_wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("vpclmulqdq") &&
               __builtin_cpu_supports("sse4.2");
    has_mixed = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("vpclmulqdq") && __builtin_cpu_supports("sse4.2");
}
#define LANE __attribute__((target("pclmul,sse4.2")))
LANE static inline __m128i both(struct fold f) { return _mm_set_epi64x((long long)f.late, (long long)f.early); }
LANE static inline __m128i folded_lane(__m128i x, __m128i by, __m128i next) {
    return _mm_xor_si128(_mm_xor_si128(_mm_clmulepi64_si128(x, by, 0x00), _mm_clmulepi64_si128(x, by, 0x11)), next);
}
#define WIDE __attribute__((target("avx512f,avx512dq,vpclmulqdq,pclmul,sse4.2")))
WIDE static inline __m512i each(struct fold f) { return _mm512_broadcast_i64x2(both(f)); }
WIDE static inline __m512i folded(__m512i x, __m512i by, __m512i next) {
    __m512i early = _mm512_clmulepi64_epi128(x, by, 0x00), late = _mm512_clmulepi64_epi128(x, by, 0x11);
    return _mm512_ternarylogic_epi64(early, late, next, 0x96);
}
WIDE static uint32_t crc_wide(uint32_t c, const uint8_t *p, size_t n) {
    __m512i a = _mm512_loadu_si512(p), b = _mm512_loadu_si512(p + 64), d = _mm512_loadu_si512(p + 128), e = _mm512_loadu_si512(p + 192);
    a = _mm512_xor_si512(a, _mm512_zextsi128_si512(_mm_cvtsi32_si128((int)c)));
    __m512i by = each(by_2048);
    for (p += 256, n -= 256; n >= 256; p += 256, n -= 256) {
        a = folded(a, by, _mm512_loadu_si512(p));
        b = folded(b, by, _mm512_loadu_si512(p + 64));
        d = folded(d, by, _mm512_loadu_si512(p + 128));
        e = folded(e, by, _mm512_loadu_si512(p + 192));
    }
    by = each(by_512);
    a = folded(folded(folded(a, by, b), by, d), by, e);
    for (; n >= 64; p += 64, n -= 64) a = folded(a, by, _mm512_loadu_si512(p));
    __m128i last = both(by_128);
    __m128i sum = folded_lane(_mm512_extracti64x2_epi64(a, 0), last, _mm512_extracti64x2_epi64(a, 1));
    sum = folded_lane(folded_lane(sum, last, _mm512_extracti64x2_epi64(a, 2)), last, _mm512_extracti64x2_epi64(a, 3));
    uint64_t c64 = _mm_crc32_u64(_mm_crc32_u64(0, (uint64_t)_mm_extract_epi64(sum, 0)), (uint64_t)_mm_extract_epi64(sum, 1));
    return crc_hardware((uint32_t)c64, p, n);
}

/* Where they are multiplied two by two only, that is no quicker than the instruction; but the two take turns in other parts of the processor
   (corsix/fast-crc32 measures such pairs). Of each 7 KiB the first 4 go one way, and three lanes of 1 KiB the other. */
#define MIXED __attribute__((target("avx2,vpclmulqdq,pclmul,sse4.2")))
MIXED static inline __m256i folded_pair(__m256i x, __m256i by, __m256i next) {
    __m256i early = _mm256_clmulepi64_epi128(x, by, 0x00), late = _mm256_clmulepi64_epi128(x, by, 0x11);
    return _mm256_xor_si256(_mm256_xor_si256(early, late), next);
}
MIXED static inline __m256i pair(const uint8_t *p) { return _mm256_loadu_si256((const __m256i *)p); }
MIXED static uint32_t crc_mixed_part(uint32_t c, const uint8_t *p) {
    enum { step = 256, words = lane / (4096 / step) / 8, ahead = 8192 };
    const uint8_t *q = p + 4096;
    uint64_t first = 0, second = 0, third = 0;
    __m256i sum[8], by = _mm256_broadcastsi128_si256(both(by_2048));
    for (int i = 0; i < 8; i++) sum[i] = pair(p + 32 * i);
    sum[0] = _mm256_xor_si256(sum[0], _mm256_zextsi128_si256(_mm_cvtsi32_si128((int)c)));
    for (int turn = 0; turn < 4096 / step; turn++) {
        p += step;
        /* Four places are too many for the processor to see them coming by itself. */
        for (int i = 0; i < step; i += 64) _mm_prefetch((const char *)p + ahead + i, _MM_HINT_T0);
        for (int i = 0; i < 3; i++) _mm_prefetch((const char *)q + ahead + i * lane, _MM_HINT_T0);
        if (turn + 1 < 4096 / step) for (int i = 0; i < 8; i++) sum[i] = folded_pair(sum[i], by, pair(p + 32 * i));
        for (int i = 0; i < words; i++, q += 8) {
            first = _mm_crc32_u64(first, word(q));
            second = _mm_crc32_u64(second, word(q + lane));
            third = _mm_crc32_u64(third, word(q + 2 * lane));
        }
    }
    by = _mm256_broadcastsi128_si256(both(by_256));
    for (int i = 1; i < 8; i++) sum[0] = folded_pair(sum[0], by, sum[i]);
    __m128i half = folded_lane(_mm256_castsi256_si128(sum[0]), both(by_128), _mm256_extracti128_si256(sum[0], 1));
    uint64_t c64 = _mm_crc32_u64(_mm_crc32_u64(0, (uint64_t)_mm_extract_epi64(half, 0)), (uint64_t)_mm_extract_epi64(half, 1));
    c = shifted(over_lane, (uint32_t)c64) ^ (uint32_t)first;
    return shifted(over_lane, shifted(over_lane, c) ^ (uint32_t)second) ^ (uint32_t)third;
}
static uint32_t crc_mixed(uint32_t c, const uint8_t *p, size_t n) {
    for (; n >= mixed; p += mixed, n -= mixed) c = crc_mixed_part(c, p);
    return crc_hardware(c, p, n);
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

#if !defined(__x86_64__)
enum { wide = 0, has_wide = 0, mixed = 0, has_mixed = 0 };
static uint32_t crc_wide(uint32_t c, const uint8_t *p, size_t n) { return crc_table(c, p, n); }
static uint32_t crc_mixed(uint32_t c, const uint8_t *p, size_t n) { return crc_table(c, p, n); }
#endif

uint32_t squall_crc32c(uint32_t crc, const void *bytes, size_t length) {
    uint32_t c = ~crc;
    if (has_wide && length >= wide) return ~crc_wide(c, bytes, length);
    if (has_mixed && length >= mixed) return ~crc_mixed(c, bytes, length);
    return ~(has_hardware() ? crc_hardware(c, bytes, length) : crc_table(c, bytes, length));
}

int squall_crc32c_by(int way, uint32_t *crc, const void *bytes, size_t length) {
    uint32_t c = ~*crc;
    switch (way) {
    case 0: c = crc_table(c, bytes, length); break;
    case 1:
        if (!has_hardware()) return 0;
        c = crc_hardware(c, bytes, length);
        break;
    case 2:
        if (!has_wide || length < wide) return 0;
        c = crc_wide(c, bytes, length);
        break;
    default:
        if (!has_mixed || length < mixed) return 0;
        c = crc_mixed(c, bytes, length);
    }
    *crc = ~c;
    return 1;
}
