"""Ten thousand subscribers of one topic: what reaches them, and what they leave of the publisher's pace."""

import json

from processes import ClientProcess, Failure
from report import median
from sample import measure

VARIANTS = ("one", "crowd")
SESSIONS = 10_000
PROCESSES = 1
SIZE = 100
RATE = 10  # records a second: so many go out to each session, each in a message of its own
LOOK_RECORDS = 2 * RATE
ROUND_SECONDS = 20.0
LEAST_ROUNDS = 1
READY_SECONDS = 120
DRAIN_SECONDS = 60

PACE_BAR = 0.99  # of the pace with one subscriber

HEADINGS = ["three nodes, durable, 100 B", "published/s", "received/s in all", "whole sessions", "acknowledge p50 ms", "p99 ms", "receive p50 ms", "p99 ms", "brokers' cores"]


def run_once(system, variant, records):
    """One fresh cluster; the crowd's sessions at all nodes in turn, beside the one subscriber that is always there."""
    crowd = []
    try:
        system.start()
        if variant == "crowd":
            arguments = system.subscriber("run", records)
            arguments[1] = "crowd"
            arguments[arguments.index("--broker") + 1] = ",".join(f"127.0.0.1:{port}" for port in system.ports)
            crowd = [ClientProcess([*arguments, "--sessions", str(SESSIONS // PROCESSES)]) for _ in range(PROCESSES)]
            for one in crowd:
                one.await_ready(READY_SECONDS)
        sample = measure(system, "run", records, SIZE, RATE)
        sample["variant"] = variant
        sample["sessions"], sample["whole_sessions"], sample["all_per_second"] = 1, int(sample["whole"]), sample["acknowledged_per_second"]
        figures = []
        for one in crowd:
            status, out = one.finish(DRAIN_SECONDS)
            if not out.strip():
                raise Failure(f"the crowd printed no figure (status {status}): {one.text()}")
            figures.append(json.loads(out.splitlines()[-1]))
            sample["whole"] = sample["whole"] and status == 0
        if figures:
            sample["sessions"] = SESSIONS
            sample["whole_sessions"] = sum(figure["whole"] for figure in figures)
            sample["all_per_second"] = sum(figure["records_per_second"] for figure in figures)
            for share in ("p50", "p99"):
                sample[f"deliver_{share}_us"] = max(figure[f"{share}_us"] for figure in figures)
        return sample
    finally:
        for one in crowd:
            one.end()
        system.stop()


def remark(one):
    return f"published {one['acknowledged_per_second']:,.0f}/s, received {one['all_per_second']:,.0f}/s by {one['whole_sessions']:,} of {one['sessions']:,} whole"


def rows(samples):
    for variant, kept in samples.items():
        yield [f"{kept[0]['sessions']:,} subscriber{'s' if variant == 'crowd' else ''}", f"{median(kept, 'acknowledged_per_second'):,.1f}",
               f"{median(kept, 'all_per_second'):,.0f}", f"{min(one['whole_sessions'] for one in kept):,}",
               *(f"{median(kept, key) / 1000:.1f}" for key in ("acknowledge_p50_us", "acknowledge_p99_us", "deliver_p50_us", "deliver_p99_us")),
               f"{median(kept, 'broker_cpu_seconds') / median(kept, 'seconds'):.2f}"]


def verdicts(samples):
    """Each bar as (text, held)."""
    whole = min(one["whole_sessions"] for one in samples["crowd"])
    yield f"every record once and in order at {whole:,} of {SESSIONS:,} sessions", whole == SESSIONS
    share = median(samples["crowd"], "acknowledged_per_second") / median(samples["one"], "acknowledged_per_second")
    yield f"the publisher keeps {share:.1%} of its pace (bar: {PACE_BAR:.0%})", share >= PACE_BAR
