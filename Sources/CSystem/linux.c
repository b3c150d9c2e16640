#define _GNU_SOURCE 1
#include "CSystem.h"
#include <malloc.h>
#include <sched.h>

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

int squall_get_cpus(void *set, size_t bytes) { return sched_getaffinity(0, bytes, set); }

int squall_set_cpus(const void *set, size_t bytes) { return sched_setaffinity(0, bytes, set); }

void squall_keep_memory(void) {
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, 64 << 20);
}
