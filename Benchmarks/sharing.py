"""Clients on their node's machine: messages through shared memory, and through loopback TCP as from another machine."""

import os

from report import median
from sample import measure

VARIANTS = ("tcp", "shared")
SIZE = 100
LOOK_RECORDS = 500_000
ROUND_SECONDS = 3.0
RATE = 1000  # records a second where latency is looked at
PACED_RECORDS = 3000
RATE_BAR = 1.0  # of the rate over TCP

HEADINGS = ["three nodes, durable, 100 B, clients by", "rec/s", "cpu s/M", "clients' s/M", "deliver p50 ms", "at 1,000/s p50 µs", "p99 µs"]


def run_once(system, variant, records):
    """One fresh cluster: full load, then a thousand a second."""
    os.environ["SQUALL_SHARED_MEMORY"] = "yes" if variant == "shared" else "no"
    try:
        system.start()
        sample = measure(system, "run", records, SIZE)
        paced = measure(system, "paced", PACED_RECORDS, SIZE, RATE)
        sample["variant"] = variant
        for share in ("p50", "p99"):
            sample[f"paced_{share}_us"] = paced[f"deliver_{share}_us"]
        sample["whole"] = sample["whole"] and paced["whole"]
        return sample
    finally:
        system.stop()
        del os.environ["SQUALL_SHARED_MEMORY"]


def remark(one):
    return f"{one['cpu_per_million']:.2f} s/M, clients {one['client_cpu_seconds'] / one['records'] * 1e6:.2f}, paced p50 {one['paced_p50_us']} µs"


def rows(samples):
    for variant, kept in samples.items():
        clients = sorted(one["client_cpu_seconds"] / one["records"] * 1e6 for one in kept)[len(kept) // 2]
        yield [variant, f"{median(kept, 'records_per_second'):,.0f}", f"{median(kept, 'cpu_per_million'):.2f}", f"{clients:.2f}",
               f"{median(kept, 'deliver_p50_us') / 1000:.1f}", f"{median(kept, 'paced_p50_us'):,.0f}", f"{median(kept, 'paced_p99_us'):,.0f}"]


def verdicts(samples):
    """Each bar as (text, held)."""
    share = median(samples["shared"], "records_per_second") / median(samples["tcp"], "records_per_second")
    yield f"shared memory carries {share:.1%} of what TCP does (bar: {RATE_BAR:.0%})", share >= RATE_BAR
