"""Topics that two of three nodes keep: what that costs publishers, what it leaves on the disks, and how fast any node gives the past."""

import os
import subprocess
import time

from processes import Failure
from report import median
from retention import settle
from sample import measure

VARIANTS = ("all", "two")
SIZE = 100
TOPICS = 200
SEGMENT = 8 << 20
LOOK_RECORDS = 400_000
ROUND_SECONDS = 3.0
READ_SECONDS = 120

THROUGHPUT_BAR = 0.85  # of the run in which every node keeps everything
DISK_BAR = 0.75  # of what all nodes keep then: two thirds, and what holes say
READ_BAR = 0.5  # of the rate at which a node that has everything gives it

HEADINGS = ["three nodes, durable, 100 B, 200 topics", "records/s", "of all kept", "cpu s/M", "closed segments MiB each", "read back, million records/s at each"]

RULES = {
    "all": 'topics:\n  - {pattern: "bench/#", level: durable}\n',
    "two": 'topics:\n  - {pattern: "bench/#", level: durable, replicas: 2}\n',
}


def read_back(system, port, records):
    """Records a second at which a subscriber at this node gets all that was published, from the beginning; one byte of output for each."""
    command = [os.path.join(os.path.dirname(system.broker), "dsub"), "bench/run/#", "-o", "beginning", "-e", "-f", "x", "-W", str(READ_SECONDS),
               "-b", f"127.0.0.1:{port}"]
    begun = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        count = sum(len(part) for part in iter(lambda: process.stdout.read1(1 << 16), b""))
    if process.returncode != 0 or count != records:
        raise Failure(f"a subscriber at port {port} got {count} of {records} records of the past (status {process.returncode})")
    return records / (time.monotonic() - begun)


def run_once(system, variant, records):
    """One fresh cluster, one measured run, then what the closed segments hold when cleaning rests, and the past read at each node."""
    system.rules, system.extra, system.topics = RULES[variant], f"segment: {SEGMENT >> 20}MiB\n", TOPICS
    try:
        system.start()
        one = measure(system, "run", records, SIZE)
        one["variant"] = variant
        one["closed_bytes"], _, one["settle_seconds"] = settle(system)
        one["read_rates"] = [read_back(system, port, records) for port in system.ports]
        return one
    finally:
        system.rules, system.extra, system.topics = None, "", 1
        system.stop()


def remark(one):
    disks = " ".join(f"{b / 2**20:.0f}" for b in one["closed_bytes"])
    return f"closed segments {disks} MiB after {one['settle_seconds']:.0f} s, read at " + " ".join(f"{r / 1e6:.2f}" for r in one["read_rates"]) + " M/s"


def _middle(values):
    return sorted(values)[len(values) // 2]


def rows(samples):
    base = median(samples["all"], "records_per_second")
    names = {"all": "kept by all", "two": "replicas: 2"}
    for variant, kept in samples.items():
        rate = median(kept, "records_per_second")
        reads = [_middle([one["read_rates"][node] for one in kept]) for node in range(len(kept[0]["read_rates"]))]
        yield [names[variant], f"{rate:,.0f}", f"{rate / base:.1%}", f"{median(kept, 'cpu_per_million'):.2f}",
               " ".join(f"{b / 2**20:.0f}" for b in kept[-1]["closed_bytes"]), " ".join(f"{r / 1e6:.2f}" for r in reads)]


def verdicts(samples):
    """Each bar as (text, held)."""
    share = median(samples["two"], "records_per_second") / median(samples["all"], "records_per_second")
    yield f"replicas: 2 leaves {share:.1%} of the throughput (bar: {THROUGHPUT_BAR:.0%})", share >= THROUGHPUT_BAR
    disk = _middle([sum(one["closed_bytes"]) for one in samples["two"]]) / _middle([sum(one["closed_bytes"]) for one in samples["all"]])
    yield f"closed segments take {disk:.1%} of what all nodes keep without (bar: {DISK_BAR:.0%})", disk <= DISK_BAR
    read = _middle([min(one["read_rates"]) for one in samples["two"]]) / _middle([min(one["read_rates"]) for one in samples["all"]])
    yield f"the slowest node gives the past at {read:.1%} of the slowest's rate without (bar: {READ_BAR:.0%})", read >= READ_BAR
