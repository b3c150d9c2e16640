"""What a release is held to, as far as a plan's figures tell: each bar as (text, held), from summaries of one run (`report.summary`).

Where the machine may be what keeps a bar from being met, a line beside it says how near the machine's own figure is; held is None."""

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
        yield from _rates(found, beside, limits)
    if size == 1024:
        yield from _latencies(found, limits)


def _rates(found, beside, limits):
    ours = found["squall"]
    yield f"durable, 100 B: {ours['records_per_second']:,.0f} records/s (bar: {LEAST_RATE:,})", ours["records_per_second"] >= LEAST_RATE
    disk = limits.get("disk_three")
    if disk is not None and ours["written_per_record"]:
        written = ours["records_per_second"] * ours["written_per_record"]
        yield (f"durable, 100 B: the three logs on this one disk take {ours['written_per_record']:.0f} B a record, {written / 1e6:,.0f} MB/s: "
               f"{written / disk['median']:.0%} of what three bare processes write and sync there, {disk['median'] / 1e6:,.0f} MB/s"), None
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
    paced = limits.get("paced_trip")
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
        if paced is not None:
            cold = 1e6 / paced["median"]
            yield (f"{level}, 1 KiB: that p50 is {(p50 - extra * sync) / cold:.1f} of the round trips that two bare processes make once a millisecond, {cold:.0f} µs"
                   + (", beside the syncs" if extra else "")), None
        peer = found.get(SAME_PROMISE[level])
        if peer is not None and peer["paced"]:
            mine, theirs = ours["paced"]["deliver_p999_us"], peer["paced"]["deliver_p999_us"]
            if mine is None or theirs is None:
                continue
            yield f"{level}, 1 KiB: p99.9 {mine:,.0f} µs (bar: the {theirs:,.0f} of {peer['label']})", mine <= theirs
