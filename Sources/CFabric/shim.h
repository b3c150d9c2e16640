#pragma once
#include <infiniband/verbs.h>
#include <rdma/fabric.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_eq.h>
#include <rdma/fi_errno.h>
#include <rdma/fi_rma.h>

/* Macros that Swift cannot import, as typed constants and functions. */
static const fi_addr_t squall_fi_addr_unspec = FI_ADDR_UNSPEC;
static const uint64_t squall_fi_key_notavail = FI_KEY_NOTAVAIL;
static inline uint32_t squall_fi_version(void) { return FI_VERSION(1, 17); }

/* Of librdmacm's header, which would bring the system's socket types into this module with it, what is called. */
struct rdma_event_channel;
struct rdma_event_channel *rdma_create_event_channel(void);
void rdma_destroy_event_channel(struct rdma_event_channel *channel);
