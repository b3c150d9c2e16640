"""Cleaning: what it costs publishers, and what is left on the disks."""

import json
import os
import subprocess
import threading
import time

from processes import Failure
from report import median
from sample import measure

VARIANTS = ("all", "cleaned")
SIZE = 100
SEGMENT = 32 << 20
KEPT = 1 << 30  # bytes of the one topic's records, by its rule
RECORDS_LEAST = 4 * KEPT // SIZE  # so that most of what is written goes
WARM_UP_RECORDS = 20_000
LOOK_RECORDS = 200_000
ROUND_SECONDS = 16.0
SETTLE_SECONDS = 180
QUIET_SECONDS = 12  # without a change: longer than cleaning rests

THROUGHPUT_BAR = 0.85  # of the run that keeps everything
DISK_BAR = 1.3  # of what is kept, and one open segment

HEADINGS = ["three nodes, durable, 100 B", "records/s", "of all kept", "cpu s/M", "most under load MiB each", "after it MiB each", "cleaned MiB each"]

RULES = {
    "all": 'topics:\n  - {pattern: "bench/#", level: durable}\n',
    "cleaned": f'topics:\n  - {{pattern: "bench/#", level: durable, retention: {{bytes: {KEPT >> 20}MiB}}}}\n',
}


def status(system, port):
    done = subprocess.run([system.broker, "status", "-b", f"127.0.0.1:{port}", "-J"], capture_output=True, text=True, timeout=10, check=True)
    return json.loads(done.stdout)["groups"][0]


def closed_bytes(system, node):
    """Bytes of the node's closed segments, and of the files kept for the next ones: the newest segment is open and reserved ahead."""
    folder = os.path.join(system.servers.directory, str(node), "group-0")
    names = os.listdir(folder)
    closed = sorted(name for name in names if name.endswith(".log"))[:-1] + [name for name in names if name.endswith(".spare")]
    return sum(os.path.getsize(os.path.join(folder, name)) for name in closed)


class Watch:
    """Looks at the disks five times a second; the most that each node's closed segments took."""

    def __init__(self, system):
        self.most = [0] * len(system.ports)
        self._system, self._ended = system, threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self):
        while not self._ended.wait(0.2):
            for node in range(1, len(self.most) + 1):
                try:
                    self.most[node - 1] = max(self.most[node - 1], closed_bytes(self._system, node))
                except FileNotFoundError:
                    pass  # a draft took its segment's place meanwhile

    def end(self):
        self._ended.set()
        self._thread.join()
        return self.most


def settle(system):
    """Waits until no node finds anything more to clean; closed bytes and cleaned bytes by node, and the seconds until the last of it."""
    end = time.monotonic() + SETTLE_SECONDS
    last, since = None, time.monotonic()
    begun = since
    while time.monotonic() < end:
        now = [status(system, port)["cleaned_bytes"] for port in system.ports]
        if now != last:
            last, since = now, time.monotonic()
        elif time.monotonic() - since > (QUIET_SECONDS if any(now) else 5):
            return [closed_bytes(system, node) for node in range(1, len(system.ports) + 1)], now, since - begun
        time.sleep(0.25)
    raise Failure(f"cleaning does not end: {last}")


def run_once(system, variant, records):
    """One fresh cluster, a warm-up, one measured run of as many records, then what the disks hold."""
    system.rules, system.extra = RULES[variant], f"segment: {SEGMENT >> 20}MiB\n"
    try:
        system.start()
        measure(system, "warm", WARM_UP_RECORDS, SIZE)
        watch = Watch(system)
        one = measure(system, "run", records, SIZE)
        one["most_bytes"] = watch.end()
        one["variant"] = variant
        one["closed_bytes"], one["cleaned_bytes"], one["settle_seconds"] = settle(system)
        return one
    finally:
        system.rules, system.extra = None, ""
        system.stop()


def remark(one):
    most, after = (" ".join(f"{b / 2**20:.1f}" for b in one[what]) for what in ("most_bytes", "closed_bytes"))
    return f"closed segments at most {most} MiB under load, {after} MiB {one['settle_seconds']:.0f} s after it"


def rows(samples):
    base = median(samples["all"], "records_per_second")
    names = {"all": "all is kept", "cleaned": f"retention: {{bytes: {KEPT >> 20}MiB}}"}
    for variant, kept in samples.items():
        rate = median(kept, "records_per_second")
        yield [names[variant], f"{rate:,.0f}", f"{rate / base:.1%}", f"{median(kept, 'cpu_per_million'):.2f}",
               " ".join(f"{b / 2**20:.1f}" for b in kept[-1]["most_bytes"]), " ".join(f"{b / 2**20:.1f}" for b in kept[-1]["closed_bytes"]), " ".join(f"{b / 2**20:.0f}" for b in kept[-1]["cleaned_bytes"])]


def verdicts(samples):
    """Each bar as (text, held)."""
    share = median(samples["cleaned"], "records_per_second") / median(samples["all"], "records_per_second")
    # Two topics: the warm-up's, which the rule does not touch, is some 2 MiB.
    most = max(max(one["most_bytes"] + one["closed_bytes"]) for one in samples["cleaned"])
    kept = KEPT + WARM_UP_RECORDS * 132
    yield f"cleaning leaves {share:.1%} of the throughput (bar: {THROUGHPUT_BAR:.0%})", share >= THROUGHPUT_BAR
    yield (f"under load closed segments take at most {most / 2**20:.1f} MiB, {most / kept:.2f} of the {kept / 2**20:.1f} MiB that are kept (bar: {DISK_BAR})",
           most <= DISK_BAR * kept)
