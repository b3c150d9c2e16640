/* libFuzzer as a library: it calls `one` with inputs until a limit among its arguments is reached. */
#pragma once
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*one)(const uint8_t *bytes, size_t count));
