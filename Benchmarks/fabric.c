/*
 * What one libfabric TCP stream carries at most with messages of one size, as one JSON line like those of limits.c:
 * one-sided writes over one connection from one process into another's registered memory, over loopback.
 *
 *   fabric --size BYTES [--seconds S] [--samples N]
 *
 * The figure is called fabric_10k, fabric_1m, ... by its size. Only bytes that have arrived count: the last write brings
 * the number of all of them with it, and writes arrive in order.
 */
#define _GNU_SOURCE
#include "figure.h"

#include <errno.h>
#include <netinet/in.h>
#include <rdma/fabric.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_eq.h>
#include <rdma/fi_errno.h>
#include <rdma/fi_rma.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    IN_FLIGHT = 32,         /* writes posted and not yet complete, at most */
    RING = 4 * 1024 * 1024, /* bytes at either end that the writes go through in turn, as a link's ring in the product */
    KEY = 1,                /* of the target's memory; both ends know it */
    START_SECONDS = 15,     /* a side that needs longer than this and its sample is ended */
};

/* One process's end of the connection. The process ends with it: nothing is closed one by one. */
struct side {
    struct fid_fabric *fabric;
    struct fid_eq *events;
    struct fid_domain *domain;
    struct fid_cq *completions;
    struct fid_mr *registration;
    struct fid_ep *endpoint;
    char *memory;
    uint64_t arrived; /* the number of writes, which the last one brings to the target */
};

static void check(ssize_t status, const char *call)
{
    if (status < 0) fail("%s: %s", call, fi_strerror((int)-status));
}

static void too_long(int signal)
{
    static const char words[] = "fabric: the connection stands still; given up\n";
    (void)signal;
    if (write(STDERR_FILENO, words, sizeof words - 1) < 0) _exit(2);
    _exit(1);
}

/* What the provider offers at a port of loopback: to listen at, where the flags say FI_SOURCE, else to connect to. */
static struct fi_info *find(uint16_t port, uint64_t flags)
{
    struct fi_info *hints = fi_allocinfo(), *info = NULL;
    char service[8];
    if (hints == NULL) fail("no memory for libfabric's hints");
    snprintf(service, sizeof service, "%u", port);
    hints->caps = FI_MSG | FI_RMA;
    hints->ep_attr->type = FI_EP_MSG;
    hints->fabric_attr->prov_name = strdup("tcp");
    hints->domain_attr->mr_mode = 0; /* memory is named by a key that we choose and an offset */
    hints->tx_attr->msg_order = hints->rx_attr->msg_order = FI_ORDER_WAW;
    int status = fi_getinfo(FI_VERSION(1, 17), "127.0.0.1", service, flags, hints, &info);
    if (status != 0) fail("fi_getinfo: provider tcp on loopback: %s", fi_strerror(-status));
    fi_freeinfo(hints);
    return info;
}

static void open_fabric(struct side *side, struct fi_info *info)
{
    struct fi_eq_attr attributes = {.wait_obj = FI_WAIT_NONE};
    check(fi_fabric(info->fabric_attr, &side->fabric, NULL), "fi_fabric");
    check(fi_eq_open(side->fabric, &attributes, &side->events, NULL), "fi_eq_open");
}

/* An enabled endpoint, and the memory that is written from or into. */
static void open_endpoint(struct side *side, struct fi_info *info)
{
    struct fi_cq_attr attributes = {.format = FI_CQ_FORMAT_DATA, .wait_obj = FI_WAIT_NONE};
    check(fi_domain(side->fabric, info, &side->domain, NULL), "fi_domain");
    check(fi_cq_open(side->domain, &attributes, &side->completions, NULL), "fi_cq_open");
    side->memory = allocate(RING);
    check(fi_mr_reg(side->domain, side->memory, RING, FI_WRITE | FI_REMOTE_WRITE, 0, KEY, 0, &side->registration, NULL), "fi_mr_reg");
    check(fi_endpoint(side->domain, info, &side->endpoint, NULL), "fi_endpoint");
    check(fi_ep_bind(side->endpoint, &side->events->fid, 0), "fi_ep_bind");
    check(fi_ep_bind(side->endpoint, &side->completions->fid, FI_TRANSMIT | FI_RECV), "fi_ep_bind");
    check(fi_enable(side->endpoint), "fi_enable");
}

/* Takes completions and returns how many there were. On tcp bytes move, at both ends, only within this call and fi_eq_read. */
static uint64_t take_completions(struct side *side)
{
    struct fi_cq_data_entry entries[IN_FLIGHT];
    ssize_t count = fi_cq_read(side->completions, entries, IN_FLIGHT);
    if (count == -FI_EAGAIN) {
        sched_yield();
        return 0;
    }
    if (count == -FI_EAVAIL) {
        struct fi_cq_err_entry error = {0};
        check(fi_cq_readerr(side->completions, &error, 0), "fi_cq_readerr");
        fail("a write failed: %s", fi_strerror(error.err));
    }
    check(count, "fi_cq_read");
    for (ssize_t i = 0; i < count; i++)
        if (entries[i].flags & FI_REMOTE_CQ_DATA) side->arrived = entries[i].data;
    return (uint64_t)count;
}

/* Waits for the event of this kind; the connection request's info comes back. */
static struct fi_info *await_event(struct side *side, uint32_t kind, const char *what)
{
    struct fi_eq_cm_entry entry = {0};
    uint32_t got = 0;
    ssize_t size;
    while ((size = fi_eq_read(side->events, &got, &entry, sizeof entry, 0)) == -FI_EAGAIN) {
        if (side->endpoint == NULL) sched_yield();
        else take_completions(side);
    }
    if (size == -FI_EAVAIL) {
        struct fi_eq_err_entry error = {0};
        check(fi_eq_readerr(side->events, &error, 0), "fi_eq_readerr");
        fail("%s: %s", what, fi_strerror(error.err));
    }
    check(size, what);
    if (got != kind) fail("%s: event %u came instead of %u", what, got, kind);
    return entry.info;
}

/* Listens, tells the port, accepts one connection and tells bytes a second from then until the last write has arrived. */
static void be_target(size_t size, int port_pipe, int result_pipe)
{
    struct side side = {0};
    struct fid_pep *listener = NULL;
    struct sockaddr_in address = {0};
    size_t length = sizeof address;
    struct fi_info *info = find(0, FI_SOURCE);
    open_fabric(&side, info);
    check(fi_passive_ep(side.fabric, info, &listener, NULL), "fi_passive_ep");
    check(fi_pep_bind(listener, &side.events->fid, 0), "fi_pep_bind");
    check(fi_listen(listener), "fi_listen");
    check(fi_getname(&listener->fid, &address, &length), "fi_getname");
    if (write(port_pipe, &address.sin_port, sizeof address.sin_port) < 0) fail("the other process has gone");

    open_endpoint(&side, await_event(&side, FI_CONNREQ, "waiting for a connection"));
    check(fi_accept(side.endpoint, NULL, 0), "fi_accept");
    await_event(&side, FI_CONNECTED, "accepting a connection");
    double start = now();
    while (side.arrived == 0) take_completions(&side);
    double rate = (double)side.arrived * (double)size / (now() - start);
    if (write(result_pipe, &rate, sizeof rate) < 0) fail("nobody wants the figure");
    check(fi_shutdown(side.endpoint, 0), "fi_shutdown");
}

/* Posts write `number`, from 0; with `total` it is the last and brings it with it. False when the provider takes no more now. */
static int post(struct side *side, size_t size, uint64_t number, uint64_t total)
{
    uint64_t at = number % (RING / size) * size;
    void *descriptor = fi_mr_desc(side->registration);
    ssize_t status = total == 0
        ? fi_write(side->endpoint, side->memory + at, size, descriptor, FI_ADDR_UNSPEC, at, KEY, NULL)
        : fi_writedata(side->endpoint, side->memory + at, size, descriptor, total, FI_ADDR_UNSPEC, at, KEY, NULL);
    if (status == -FI_EAGAIN) return 0;
    check(status, "fi_write");
    return 1;
}

/* Connects and writes until the time is up. */
static void be_source(size_t size, int port_pipe)
{
    struct side side = {0};
    in_port_t port = 0;
    uint64_t posted = 0, completed = 0;
    if (read(port_pipe, &port, sizeof port) != (ssize_t)sizeof port) fail("the other process does not listen");
    struct fi_info *info = find(ntohs(port), 0);
    open_fabric(&side, info);
    open_endpoint(&side, info);
    check(fi_connect(side.endpoint, info->dest_addr, NULL, 0), "fi_connect");
    await_event(&side, FI_CONNECTED, "connecting");

    double end = now() + seconds_per_sample;
    while (now() < end) {
        while (posted - completed < IN_FLIGHT && post(&side, size, posted, 0)) posted++;
        completed += take_completions(&side);
    }
    while (!post(&side, size, posted, posted + 1)) completed += take_completions(&side);
    posted++;
    while (completed < posted) completed += take_completions(&side);
    await_event(&side, FI_SHUTDOWN, "waiting until the last write has arrived"); /* to leave earlier could cut it off */
}

/* A child that ends by itself whatever happens. */
static pid_t start_child(void)
{
    pid_t child = fork();
    if (child < 0) fail("fork: %s", strerror(errno));
    if (child == 0) {
        signal(SIGALRM, too_long);
        alarm(START_SECONDS + (unsigned)seconds_per_sample);
    }
    return child;
}

/* Waits for both; when one fails the other is ended too, for it would wait in vain. */
static void end_children(pid_t target, pid_t source)
{
    int failed = 0;
    for (int left = 2; left > 0; left--) {
        int status = 0;
        pid_t child = wait(&status);
        if (child < 0) fail("wait: %s", strerror(errno));
        if (status == 0 || failed) continue;
        failed = 1;
        if (left == 2) kill(child == target ? source : target, SIGKILL);
    }
    if (failed) fail("a process of the two that were to stream failed");
}

/* Bytes a second that one connection carries from one process to another. */
static double stream(const void *argument)
{
    size_t size = *(const size_t *)argument;
    int port[2], result[2];
    double rate = 0;
    if (pipe(port) < 0 || pipe(result) < 0) fail("pipe: %s", strerror(errno));
    pid_t target = start_child();
    if (target == 0) {
        be_target(size, port[1], result[1]);
        _exit(0);
    }
    close(port[1]); /* or the source would wait for the port of a target that has ended */
    pid_t source = start_child();
    if (source == 0) {
        be_source(size, port[0]);
        _exit(0);
    }
    end_children(target, source);
    if (read(result[0], &rate, sizeof rate) != (ssize_t)sizeof rate) fail("no figure came");
    close(port[0]);
    close(result[0]);
    close(result[1]);
    return rate;
}

int main(int argc, char **argv)
{
    size_t size = 0;
    char name[NAME_MAX_BYTES], how[128];
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--size") == 0) size = (size_t)strtoul(argv[i + 1], NULL, 10);
        else if (!sample_option(argv[i], argv[i + 1])) fail("unknown option %s", argv[i]);
    }
    if (argc % 2 == 0 || size < 1 || size > RING) fail("usage: fabric --size BYTES [--seconds S] [--samples N]; at most %d bytes", RING);
    check_sample_options();

    name_of_size(name, "fabric", size);
    snprintf(how, sizeof how, "one libfabric tcp connection between two processes, writes of %zu B, %d in flight", size, IN_FLIGHT);
    figure(name, "bytes/s", how, stream, &size);
    return 0;
}
