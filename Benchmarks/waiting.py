"""How the nodes' loops wait: `poll` adaptive, busy and sleep, at full load and idle."""

import time

from report import median
from sample import measure

VARIANTS = ("adaptive", "busy", "sleep")
SIZE = 100
LOOK_RECORDS = 500_000
ROUND_SECONDS = 3.0
WINDOW_SECONDS = 5
SPREADS = False  # a loop that polls without end wants its disk's thread elsewhere

RATE_BAR = 0.9  # of the busy rate
IDLE_BAR = 1.1  # times what sleeping nodes take
TICK = 0.01 / WINDOW_SECONDS  # what the kernel counts processor time in, of one core

HEADINGS = ["three nodes, durable, 100 B, poll", "rec/s", "of busy's", "cpu s/M", "deliver p50 ms", "idle, of one core"]


def run_once(system, variant, records):
    """One fresh cluster: nothing for a while, then full load."""
    system.extra = f"poll: {variant}\n"
    try:
        system.start()
        before, start = system.servers.cpu_seconds(), time.monotonic()
        time.sleep(WINDOW_SECONDS)  # the window itself: nothing is awaited
        idle = (system.servers.cpu_seconds() - before) / (time.monotonic() - start)
        sample = measure(system, "run", records, SIZE)
        sample["variant"] = variant
        sample["idle_cores"] = idle
        return sample
    finally:
        system.stop()


def remark(one):
    return f"idle {one['idle_cores']:.2%} of one core"


def rows(samples):
    busy = median(samples["busy"], "records_per_second")
    for variant, kept in samples.items():
        rate = median(kept, "records_per_second")
        yield [variant, f"{rate:,.0f}", f"{rate / busy:.1%}", f"{median(kept, 'cpu_per_million'):.2f}",
               f"{median(kept, 'deliver_p50_us') / 1000:.1f}", f"{median(kept, 'idle_cores'):.2%}"]


def verdicts(samples):
    """Each bar as (text, held)."""
    share = median(samples["adaptive"], "records_per_second") / median(samples["busy"], "records_per_second")
    yield f"adaptive has {share:.1%} of busy's rate (bar: {RATE_BAR:.0%})", share >= RATE_BAR
    mine, asleep = median(samples["adaptive"], "idle_cores"), median(samples["sleep"], "idle_cores")
    yield (f"idle, adaptive takes {mine:.2%} of one core, sleep {asleep:.2%} (bar: {IDLE_BAR:.0%} and the kernel's tick)",
           mine <= asleep * IDLE_BAR + TICK)
