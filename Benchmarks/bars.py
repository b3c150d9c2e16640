"""What a release is held to, as far as a plan's figures tell: each bar as (text, held), from summaries of one run (`report.summary`)."""

LEAST_RATE = 1_000_000  # durable records of 100 B a second
# Times the peer's rate; RabbitMQ's beside ours in turns with it.
RATE_BARS = (("jetstream", 9), ("redis-everysec", 4), ("redis-always", 6))
RATE_BARS_BESIDE = (("rabbitmq", 4),)
CPU_BAR = 0.1  # of the brokers' processor time of JetStream R3, a record

ROUND_TRIPS = 3  # from the publisher's call to the subscriber's
SYNCS = 1.5  # and for durable records so many syncs of 4 KiB
SAME_PROMISE = {"ordered": "jetstream-memory", "durable": "jetstream-synced"}


def of(size, found, beside, limits):
    """`found`: summaries by the system's name; `beside`: ours once more, by level; `limits`: the machine's, by figure."""
    if size == 100 and "squall" in found:
        yield from _rates(found, beside)
    if size == 1024:
        yield from _latencies(found, limits)


def _rates(found, beside):
    ours = found["squall"]
    yield f"durable, 100 B: {ours['records_per_second']:,.0f} records/s (bar: {LEAST_RATE:,})", ours["records_per_second"] >= LEAST_RATE
    pairs = [(ours, name, bar) for name, bar in RATE_BARS] + [(beside.get("durable"), name, bar) for name, bar in RATE_BARS_BESIDE]
    for mine, name, bar in pairs:
        if mine is None or name not in found:
            continue
        times = mine["records_per_second"] / found[name]["records_per_second"]
        yield f"durable, 100 B: {times:.2f} × {found[name]['label']} (bar: {bar} ×)", times >= bar
    if "jetstream" in found:
        share = ours["cpu_per_million"] / found["jetstream"]["cpu_per_million"]
        yield (f"brokers' processor time a record: 1/{1 / share:.0f} of {found['jetstream']['label']}'s (bar: 1/{1 / CPU_BAR:.0f})", share <= CPU_BAR)


def _latencies(found, limits):
    trip, sync = (1e6 / limits[name]["median"] for name in ("round_trip", "sync_4k"))
    for level, extra in (("ordered", 0.0), ("durable", SYNCS)):
        ours = found.get("squall" if level == "durable" else f"squall-{level}")
        if ours is None or not ours["paced"]:
            continue
        bar = ROUND_TRIPS * trip + extra * sync
        of = f"{ROUND_TRIPS} round trips of {trip:.0f} µs" + (f" and {extra:g} syncs of {sync:.0f} µs" if extra else "")
        p50 = ours["paced"]["deliver_p50_us"]
        if p50 is None:
            continue
        yield f"{level}, 1 KiB, publish to subscriber: p50 {p50:.0f} µs (bar: {bar:.0f}, which is {of})", p50 <= bar
        peer = found.get(SAME_PROMISE[level])
        if peer is not None and peer["paced"]:
            mine, theirs = ours["paced"]["deliver_p999_us"], peer["paced"]["deliver_p999_us"]
            if mine is None or theirs is None:
                continue
            yield f"{level}, 1 KiB: p99.9 {mine:,.0f} µs (bar: the {theirs:,.0f} of {peer['label']})", mine <= theirs
