#define _GNU_SOURCE 1
#include "CSystem.h"

int squall_fallocate(int file, off_t offset, off_t length) { return fallocate(file, 0, offset, length); }
