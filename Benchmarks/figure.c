/* One figure, one JSON line; see figure.h. */
#define _GNU_SOURCE
#include "figure.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SAMPLES_MAX = 31 };

double seconds_per_sample = 0.4;
int samples_per_figure = 3;

void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s: ", program_invocation_short_name);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void *allocate(size_t bytes)
{
    void *memory = NULL;
    if (posix_memalign(&memory, 4096, bytes) != 0) fail("no memory for %zu bytes", bytes);
    memset(memory, 0xA5, bytes);
    return memory;
}

int sample_option(const char *name, const char *value)
{
    if (strcmp(name, "--seconds") == 0) seconds_per_sample = strtod(value, NULL);
    else if (strcmp(name, "--samples") == 0) samples_per_figure = (int)strtol(value, NULL, 10);
    else return 0;
    return 1;
}

void check_sample_options(void)
{
    if (!(seconds_per_sample > 0 && seconds_per_sample <= 10)) fail("--seconds must be above 0 and at most 10");
    if (samples_per_figure < 1 || samples_per_figure > SAMPLES_MAX) fail("--samples must be 1 to %d", SAMPLES_MAX);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void figure(const char *name, const char *unit, const char *how, double (*measure)(const void *), const void *argument)
{
    double taken[SAMPLES_MAX], sorted[SAMPLES_MAX];
    for (int i = 0; i < samples_per_figure; i++) taken[i] = sorted[i] = measure(argument);
    qsort(sorted, (size_t)samples_per_figure, sizeof sorted[0], ascending);
    int middle = samples_per_figure / 2;
    double median = samples_per_figure % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    printf("{\"figure\":\"%s\",\"unit\":\"%s\",\"median\":%.0f,\"samples\":[", name, unit, median);
    for (int i = 0; i < samples_per_figure; i++) printf("%s%.0f", i ? "," : "", taken[i]);
    printf("],\"seconds_per_sample\":%g,\"how\":\"%s\"}\n", seconds_per_sample, how);
    fflush(stdout);
}
