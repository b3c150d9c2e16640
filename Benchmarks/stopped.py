"""A subscriber that is stopped for a minute under full load: what the others notice, what it costs the nodes, what it gets when it goes on.

Nothing is let go, so a minute at full load may be more than the disk has room for: then the publisher is paced to what fits.
"""

import functools
import json
import os
import shutil
import signal
import threading

from processes import ClientProcess, Failure, resident_bytes
from report import median
from sample import measure

VARIANTS = ("running", "stopped")
LEAST_ROUNDS = 1
SIZE = 100
LOOK_RECORDS = 1_000_000
STOP_AFTER_SECONDS = 5.0
STOP_SECONDS = 60.0
ROUND_SECONDS = STOP_AFTER_SECONDS + STOP_SECONDS + 10.0
RETURN_SECONDS = 300
RECORD_BYTES = 140  # of a record in the log, about, at each of three nodes
DISK_SHARE = 0.7  # of what is free
LEAST_RATE = 100_000  # records a second: fewer are no load

LATENCY_BAR = 1.5  # of the other's p99 while both run: these machines' noise between two runs
MEMORY_BAR = 192 << 20  # bytes beside the run in which nobody stops

HEADINGS = ["three nodes, durable, 100 B, two subscribers", "records/s", "other's p50 ms", "other's p99 ms", "ack p99 ms", "VmHWM MiB each"]


@functools.cache  # one answer for all runs, or two of them could not be compared
def fitting(temporary, nodes, records):
    """(records, rate): as many as asked for and no pace, or what the disk has room for, spread over the round."""
    most = int(shutil.disk_usage(temporary).free * DISK_SHARE / (RECORD_BYTES * nodes))
    if records <= most:
        return records, 0
    if most < ROUND_SECONDS * LEAST_RATE:
        raise Failure(f"the disk has no room for {ROUND_SECONDS:.0f} s at {LEAST_RATE:,} records a second; free some space")
    return most, int(most / ROUND_SECONDS)


def run_once(system, variant, records):
    """One fresh cluster; a second subscriber at the same node as the measured one, which stands still in the variant `stopped`."""
    records, rate = fitting(system.temporary, system.nodes, records)
    second, timers = None, []
    try:
        system.start()
        second = ClientProcess(system.subscriber("run", records) + ["--idle", str(STOP_SECONDS * 2)])
        second.await_ready(20)
        if variant == "stopped":
            pid = second.process.pid
            timers = [threading.Timer(after, os.kill, (pid, what)) for after, what in
                      ((STOP_AFTER_SECONDS, signal.SIGSTOP), (STOP_AFTER_SECONDS + STOP_SECONDS, signal.SIGCONT))]
            for timer in timers:
                timer.start()
        one = measure(system, "run", records, SIZE, rate)
        for timer in timers:
            timer.join()
        status, out = second.finish(RETURN_SECONDS)
        if not out.strip():
            raise Failure(f"the second subscriber printed no figure (status {status}): {second.text()}")
        one["second"] = json.loads(out.splitlines()[-1])
        one["variant"] = variant
        one["whole"] = one["whole"] and status == 0
        one["peak_bytes"] = [resident_bytes(p.pid, "VmHWM") for p in system.servers.processes]
        return one
    finally:
        for timer in timers:
            timer.cancel()
        if second is not None:
            second.end()
        system.stop()


def remark(one):
    second = one["second"]
    return (f"p99 {one['deliver_p99_us'] / 1000:.1f} ms at the other; the second got {second['records']:,} in {second['seconds']:.0f} s, "
            f"{second['lost']} lost, {second['duplicates']} twice")


def rows(samples):
    names = {"running": "both run", "stopped": f"one stopped for {STOP_SECONDS:.0f} s"}
    for variant, kept in samples.items():
        yield [names[variant], f"{median(kept, 'records_per_second'):,.0f}",
               *(f"{median(kept, what) / 1000:.1f}" for what in ("deliver_p50_us", "deliver_p99_us", "acknowledge_p99_us")),
               " ".join(f"{b / 2**20:.0f}" for b in kept[-1]["peak_bytes"])]


def verdicts(samples):
    """Each bar as (text, held)."""
    share = median(samples["stopped"], "deliver_p99_us") / median(samples["running"], "deliver_p99_us")
    more = max(max(one["peak_bytes"]) for one in samples["stopped"]) - min(max(one["peak_bytes"]) for one in samples["running"])
    seconds = [one["second"] for one in samples["stopped"]]
    whole = all(one["records"] == kept["records"] and not one["lost"] and not one["duplicates"]
                for one, kept in zip(seconds, samples["stopped"]))
    yield f"the other subscriber's p99 is {share:.2f} of that while both run (bar: {LATENCY_BAR})", share <= LATENCY_BAR
    yield f"a node takes {more / 2**20:.0f} MiB more at its most (bar: {MEMORY_BAR >> 20})", more <= MEMORY_BAR
    yield "the one that was stopped got every record once and in order", whole
