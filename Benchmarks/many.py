"""Many topics and many watches: what 100,000 of each cost against one topic and none, and how fast nodes start with them."""

from processes import ClientProcess, resident_bytes
from report import median
from sample import measure

VARIANTS = ("one", "topics", "watches")
COUNT = 100_000
SESSIONS = 20
SIZE = 100
WARM_UP_RECORDS = 20_000
LOOK_RECORDS = 100_000
ROUND_SECONDS = 4.0
WATCH_READY_SECONDS = 60

THROUGHPUT_BAR = 0.80  # of one topic
WATCH_BAR = 0.95  # of no watches
TOPIC_BAR = 512  # bytes a topic, each node
START_BAR = 3.0  # seconds

HEADINGS = ["three nodes, durable, 100 B", "records/s", "of one topic", "cpu s/M", "VmRSS MiB each"]


def watchers(system):
    """100,000 patterns that match nothing published, at the node that the subscriber is at; stands when this returns."""
    process = ClientProcess([system.bench, "watchers", "--broker", f"127.0.0.1:{system.ports[1]}",
                             "--watches", str(COUNT), "--sessions", str(SESSIONS)])
    process.await_ready(WATCH_READY_SECONDS)
    return process


def run_once(system, variant, records):
    """One fresh cluster, a warm-up, one measured run, the memory after it; for many topics also a start from disk."""
    system.topics = COUNT if variant == "topics" else 1
    holding = None
    try:
        system.start()
        if variant == "watches":
            holding = watchers(system)
        measure(system, "warm", max(WARM_UP_RECORDS, system.topics), SIZE)
        one = measure(system, "run" if variant != "topics" else "warm", records, SIZE)
        one["variant"] = variant
        one["resident_bytes"] = [resident_bytes(p.pid) for p in system.servers.processes]
        if holding is not None:
            holding.end()
            holding = None
        one["start_seconds"] = system.restart()
        return one
    finally:
        if holding is not None:
            holding.end()
        system.topics = 1
        system.stop()


def remark(one):
    return f"start {one['start_seconds']:.2f} s"


def rows(samples):
    base = median(samples["one"], "records_per_second")
    names = {"one": "one topic", "topics": f"{COUNT:,} topics", "watches": f"one topic, {COUNT:,} watches that match nothing"}
    for variant, kept in samples.items():
        rate = median(kept, "records_per_second")
        resident = kept[-1]["resident_bytes"]
        yield [names[variant], f"{rate:,.0f}", f"{rate / base:.1%}", f"{median(kept, 'cpu_per_million'):.2f}",
               " ".join(f"{b / 2**20:.0f}" for b in resident)]


def verdicts(samples):
    """Each bar as (text, held)."""
    base = median(samples["one"], "records_per_second")
    topics = median(samples["topics"], "records_per_second") / base
    watches = median(samples["watches"], "records_per_second") / base

    def memory(variant):
        return sorted(max(one["resident_bytes"]) for one in samples[variant])[len(samples[variant]) // 2]

    each = (memory("topics") - memory("one")) / COUNT
    start = median(samples["topics"], "start_seconds")
    yield f"{COUNT:,} topics reach {topics:.1%} of one topic's throughput (bar: {THROUGHPUT_BAR:.0%})", topics >= THROUGHPUT_BAR
    yield f"{COUNT:,} watches leave {watches:.1%} of the throughput (bar: {WATCH_BAR:.0%})", watches >= WATCH_BAR
    yield f"a topic takes {each:.0f} bytes of a node (bar: {TOPIC_BAR})", each <= TOPIC_BAR
    yield f"three nodes with {COUNT:,} topics on disk are live after {start:.2f} s (bar: {START_BAR:g} s)", start < START_BAR
