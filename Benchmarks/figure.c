/* One figure, one JSON line; see figure.h. */
#define _GNU_SOURCE
#include "figure.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

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

void tcp_pair(int pair[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    const int on = 1;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    pair[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || pair[0] < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) < 0 ||
        listen(listener, 1) < 0 || getsockname(listener, (struct sockaddr *)&address, &length) < 0 ||
        connect(pair[0], (struct sockaddr *)&address, sizeof address) < 0)
        fail("loopback connection: %s", strerror(errno));
    pair[1] = accept(listener, NULL, NULL);
    if (pair[1] < 0) fail("accept: %s", strerror(errno));
    for (int i = 0; i < 2; i++)
        if (setsockopt(pair[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0) fail("TCP_NODELAY: %s", strerror(errno));
    close(listener);
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

double median_of(double *values, size_t count)
{
    qsort(values, count, sizeof *values, ascending);
    size_t middle = count / 2;
    return count % 2 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

void name_of_size(char name[NAME_MAX_BYTES], const char *what, size_t size)
{
    if (size % (1 << 20) == 0) snprintf(name, NAME_MAX_BYTES, "%s_%zum", what, size >> 20);
    else if (size % (1 << 10) == 0) snprintf(name, NAME_MAX_BYTES, "%s_%zuk", what, size >> 10);
    else snprintf(name, NAME_MAX_BYTES, "%s_%zu", what, size);
}

void figure(const char *name, const char *unit, const char *how, double (*measure)(const void *), const void *argument)
{
    double taken[SAMPLES_MAX], sorted[SAMPLES_MAX];
    for (int i = 0; i < samples_per_figure; i++) taken[i] = sorted[i] = measure(argument);
    double median = median_of(sorted, (size_t)samples_per_figure);
    printf("{\"figure\":\"%s\",\"unit\":\"%s\",\"median\":%.0f,\"samples\":[", name, unit, median);
    for (int i = 0; i < samples_per_figure; i++) printf("%s%.0f", i ? "," : "", taken[i]);
    printf("],\"seconds_per_sample\":%g,\"how\":\"%s\"}\n", seconds_per_sample, how);
    fflush(stdout);
}
