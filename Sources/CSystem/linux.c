#define _GNU_SOURCE 1
#include "CSystem.h"
#include <malloc.h>

/* What follows a failure is told by the sync that comes later. */
void squall_start_writing(int file, off_t offset, off_t length) { sync_file_range(file, offset, length, SYNC_FILE_RANGE_WRITE); }

int squall_fallocate(int file, off_t offset, off_t length) { return fallocate(file, 0, offset, length); }

void squall_keep_memory(void) {
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, 64 << 20);
}
