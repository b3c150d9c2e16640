#define _GNU_SOURCE 1
#include "CSystem.h"
#include <malloc.h>
#include <sched.h>
#include <string.h>
#if defined(__x86_64__)
#include <emmintrin.h>
#endif

/* What follows a failure is told by the sync that comes later. */
void squall_start_writing(int file, off_t offset, off_t length) { sync_file_range(file, offset, length, SYNC_FILE_RANGE_WRITE); }

int squall_fallocate(int file, off_t offset, off_t length) { return fallocate(file, 0, offset, length); }

int squall_direct(void) { return O_DIRECT; }

int squall_zero_range(int file, off_t length) { return fallocate(file, FALLOC_FL_ZERO_RANGE, 0, length); }

enum { SIZE_STANDS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL };

int squall_memory_file(const char *name, size_t bytes) {
    int file = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (file < 0) return -1;
    if (ftruncate(file, (off_t)bytes) == 0 && fcntl(file, F_ADD_SEALS, SIZE_STANDS) == 0) return file;
    close(file);
    return -1;
}

int squall_pipe(int files[2]) { return pipe2(files, O_CLOEXEC | O_NONBLOCK); }

int squall_size_stands(int file) {
    int seals = fcntl(file, F_GET_SEALS);
    return seals >= 0 && (seals & SIZE_STANDS) == SIZE_STANDS;
}

void squall_copy_past_caches(void *to, const void *from, size_t length) {
    char *t = to;
    const char *f = from;
#if defined(__x86_64__)
    size_t lead = -(size_t)t & 63;
    if (length > lead + 64) {
        memcpy(t, f, lead);
        t += lead;
        f += lead;
        length -= lead;
        for (; length >= 64; t += 64, f += 64, length -= 64) {
            __m128i a = _mm_loadu_si128((const __m128i *)f), b = _mm_loadu_si128((const __m128i *)(f + 16));
            __m128i c = _mm_loadu_si128((const __m128i *)(f + 32)), d = _mm_loadu_si128((const __m128i *)(f + 48));
            _mm_stream_si128((__m128i *)t, a);
            _mm_stream_si128((__m128i *)(t + 16), b);
            _mm_stream_si128((__m128i *)(t + 32), c);
            _mm_stream_si128((__m128i *)(t + 48), d);
        }
        _mm_sfence();
    }
#endif
    memcpy(t, f, length);
}

int squall_get_cpus(void *set, size_t bytes) { return sched_getaffinity(0, bytes, set); }

int squall_set_cpus(const void *set, size_t bytes) { return sched_setaffinity(0, bytes, set); }

void squall_keep_memory(void) {
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, 64 << 20);
}
