/* What the programs that measure the machine's limits have in common: one figure is one JSON line. */
#ifndef FIGURE_H
#define FIGURE_H

#include <stddef.h>

extern double seconds_per_sample;
extern int samples_per_figure;

_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
double now(void);
void *allocate(size_t bytes);

/* A connected pair of loopback TCP sockets, without Nagle's delay. */
void tcp_pair(int pair[2]);

enum { NAME_MAX_BYTES = 40 };

/* A figure's name by what it is of and messages of which size: fabric_10k, chain_1m. */
void name_of_size(char name[NAME_MAX_BYTES], const char *what, size_t size);

/* Takes --seconds or --samples with its value; 0 when the option is another. */
int sample_option(const char *name, const char *value);

/* Ends the program when --seconds or --samples is out of range. */
void check_sample_options(void);

/* Sorts them. */
double median_of(double *values, size_t count);

/* Runs `measure` as often as asked and prints the median of what it returns beside all samples. */
void figure(const char *name, const char *unit, const char *how, double (*measure)(const void *), const void *argument);

#endif
