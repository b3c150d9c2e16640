/* Linux calls that Glibc's Swift module leaves out, and the processor's CRC32C. */
#pragma once
#include <fcntl.h>
#include <linux/falloc.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

/* CRC-32C (Castagnoli) of `length` bytes, continued from `crc` (0 to begin). */
uint32_t squall_crc32c(uint32_t crc, const void *bytes, size_t length);

/* The same by one way alone: 0 a table, 1 an instruction a word, 2 wide multiplications, 3 narrower ones beside the
   instruction. 0 where this machine, or so few bytes, cannot go it. */
int squall_crc32c_by(int way, uint32_t *crc, const void *bytes, size_t length);

/* memcpy(3) that leaves what is written out of the processor's caches: for what is not read again soon. */
void squall_copy_past_caches(void *to, const void *from, size_t length);

/* `value`. Where it is `guess` the processor goes on from that and does not wait until `value` has been read: the compiler is kept from
   seeing that they are the same. */
static inline ptrdiff_t squall_foreseen(ptrdiff_t value, ptrdiff_t guess) {
    if (__builtin_expect(value != guess, 0)) return value;
    __asm__ volatile("" : "+r"(guess));
    return guess;
}

/* sync_file_range(2): begins to write what has been changed, and does not wait. */
void squall_start_writing(int file, off_t offset, off_t length);

/* fallocate(2) that changes the file's size; 0 or -1 with errno. */
int squall_fallocate(int file, off_t offset, off_t length);

/* O_DIRECT of open(2). */
int squall_direct(void);

/* fallocate(2) of a file's first `length` bytes, which become zeros and stay where they are on the disk. */
int squall_zero_range(int file, off_t length);

/* memfd_create(2): a file of `bytes` in memory, sealed so that nobody can change its size; its descriptor or -1. */
int squall_memory_file(const char *name, size_t bytes);

/* Whether a file is sealed like that, so that whoever maps it cannot lose pages. */
int squall_size_stands(int file);

/* pipe2(2) that nobody waits for at either end: where it is read, where it is written; 0 or -1. */
int squall_pipe(int files[2]);

/* sched_getaffinity(2), sched_setaffinity(2) of the thread that calls: a bit for each CPU, from the first byte's lowest on; 0 or -1 with errno. */
int squall_get_cpus(void *set, size_t bytes);
int squall_set_cpus(const void *set, size_t bytes);

/* A word in memory that two processes share, one of which sets it before it blocks; each is a full barrier. */
static inline void squall_set_word(void *word, uint32_t value) { __atomic_store_n((uint32_t *)word, value, __ATOMIC_SEQ_CST); }
/* Whether it was set, which it is no more. */
static inline int squall_take_word(void *word) {
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return __atomic_load_n((uint32_t *)word, __ATOMIC_RELAXED) != 0 && __atomic_exchange_n((uint32_t *)word, 0, __ATOMIC_SEQ_CST) != 0;
}

/* mallopt(3): large pieces of memory come back from the heap instead of being mapped, and its pages faulted in, each time. */
void squall_keep_memory(void);
