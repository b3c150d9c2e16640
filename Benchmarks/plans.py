"""The plans of scripts/bench quick, full, long, latency and smoke: which systems, records and rounds, and the rounds themselves."""

import json
import os
import statistics
import subprocess
import sys

import report
from mqtt import Mosquitto
from nats import Nats
from processes import Failure
from rabbit import Rabbit, RabbitCluster
from redis import Redis
from sample import measure
from squall import Squall

# quick: 3 × (limits 4 s + 8 systems × (start 1 s + warm-up 1 s + 3 s + stop 1 s)) + RabbitMQ (start 25 s + 3 × (2 × 4 s + ours 6 s)) = 208 s.
# full: 4 sizes × (3 × (limits 4 s + 10 systems × (start and stop 2 s + 2 s + 1.5 s + 1 s)) + RabbitMQ 25 s + 2 × 3 × 5 s) = 17 minutes.
FULL = {"sizes": [16, 100, 1024, 10240], "rounds": 3, "seconds": 1.5, "limit_seconds": 0.3, "levels": ("durable", "ordered"),
        "peers": True, "rate": 1000, "rate_seconds": 2.0, "half_seconds": 1.0}
PLANS = {
    "quick": {"sizes": [100], "rounds": 3, "seconds": 3.0, "limit_seconds": 0.3, "levels": ("durable",), "peers": True, "rate": 0},
    "full": FULL,
    # long: 6 × 6 minutes.
    "long": {**FULL, "sizes": [*FULL["sizes"], 100 << 10, report.LARGEST], "rounds": 5, "seconds": 4.0, "rate_seconds": 5.0, "half_seconds": 2.0},
    # latency: 5 × (limits 4 s + 4 systems × (start and stop 2 s + looks and full load 2 s + 4 s)) = 3 minutes.
    "latency": {**FULL, "sizes": [1024], "rounds": 5, "seconds": 0.5, "rate_seconds": 4.0, "half_seconds": 0, "peers": ("jetstream-synced", "jetstream-memory")},
    # smoke: limits 3 s + 2 × (start 2 s + warm-up 2 s + 2 s + stop 1 s) = 20 s.
    "smoke": {"sizes": [100], "rounds": 2, "seconds": 2.0, "limit_seconds": 0.2, "levels": ("durable",), "peers": False, "rate": 0},
}
# Ours beside one stream of libfabric and a chain of bare processes: 2 sizes × (looks 3 s + 5 × (stream and chain 2 s + start and stop 2 s + 2 s)) = 1 minute.
FABRIC = {"sizes": [10240, report.LARGEST], "rounds": 5, "seconds": 2.0, "limit_seconds": 0.5, "levels": ("ordered",), "machine": False, "chain": True, "rate": 0}
# A large record goes from the publisher to node 1, to 2, and from there to 3 and the subscriber: as many of these ways as possible within one CPU.
FABRIC_PLACEMENT = (0, 1, 1, 0)
ROUNDS_LEAST = {"quick": 3, "full": 3, "long": 3, "latency": 3, "smoke": 1, "fabric": 3}

WARM_UP_RECORDS, WARM_UP_BYTES = 2_000, 32 << 20
RECORDS_MOST = 10_000_000
LOOKS_MOST = 3
RATE_HEADROOM = 1.25  # of the rate: who takes less at full load is not asked for it


def say(text):
    print(text, file=sys.stderr, flush=True)


class Limits:
    """The machine's limits, sampled once a round: they move as the brokers' figures do."""

    def __init__(self, programs, seconds):
        self.programs, self.seconds, self.figures = programs, seconds, {}

    def sample(self, samples=1):
        for program in self.programs:
            done = subprocess.run([*program, "--seconds", str(self.seconds), "--samples", str(samples)],
                                  capture_output=True, text=True, timeout=300, check=False)
            if done.returncode != 0:
                raise Failure(done.stderr.strip())
            for one in map(json.loads, done.stdout.splitlines()):
                known = self.figures.setdefault(one["figure"], {**one, "samples": []})
                known["samples"] += one["samples"]
                known["median"] = statistics.median(known["samples"])


def systems(plan, binaries, output, temporary):
    """Ours, one for each level, and the peers; those whose start is slow come last."""
    def client(name):
        return os.path.join(output, name)
    ours = [Squall(binaries, temporary, level) for level in plan["levels"]]
    if not plan["peers"]:
        return ours, []
    modes = ("default", "single", "synced", "core") + (("memory",) if "ordered" in plan["levels"] else ())
    cluster = RabbitCluster(temporary)
    peers = [
        *(Nats(mode, client("nats_peer"), temporary) for mode in modes),
        *(Redis(mode, client("redis_peer"), temporary) for mode in ("always", "everysec")),
        Mosquitto(client("mqtt_peer"), temporary),
        *(Rabbit(batch, cluster, client("rabbit_peer"), temporary) for batch in (1, 100)),
    ]
    return ours, [peer for peer in peers if plan["peers"] is True or peer.name in plan["peers"]]


class Rounds:
    """All runs with records of one size; `samples`, `paced` and `halves` by the system's name, `beside`: ours, in turns with those that start slowly."""

    def __init__(self, plan, size, limits, results):
        self.plan, self.size, self.limits, self.results = plan, size, limits, results
        self.counts, self.samples, self.paced, self.halves, self.beside = {}, {}, {}, {}, {}
        self.failed = {}  # by the peer's name: what went wrong; it is left out from then on
        self.least = max(1, min(WARM_UP_RECORDS, WARM_UP_BYTES // size))

    def run(self, present):
        """Every system once, then every system again; those with a slow start afterwards, on one start, and ours at full load in turns with them:
        the machine is not what it was minutes ago."""
        numbers = range(1, self.plan["rounds"] + 1)
        slow = [s for s in present if hasattr(s, "leave")]
        try:
            for number in numbers:
                self.limits.sample()
                for system in present:
                    if system not in slow:
                        self._take(system, number)
            for number in numbers:
                for system in slow:
                    self._take(system, number)
                beside = {s.level for s in slow if s.name not in self.failed}
                for system in present:
                    if isinstance(system, Squall) and system.level in beside:
                        self._take(system, number, is_beside=True)
        finally:
            for system in slow:
                system.leave()

    def _take(self, system, number, is_beside=False):
        """One turn of one system; a peer that fails does not end the benchmark, ours does."""
        if system.name in self.failed:
            return
        try:
            one, paced, half = self._run_once(system, number, is_beside)
        except Failure as failure:
            if isinstance(system, Squall):
                raise
            self.failed[system.name] = str(failure)
            say(f"bench: {system.label} is left out: {failure}")
            return
        (self.beside if is_beside else self.samples).setdefault(system.name, []).append(one)
        self.results.write("beside" if is_beside else "sample", {"round": number, **one})
        text = (f"  {self.size} B, round {number}: {system.label:32} {one['records_per_second']:>12,.0f} rec/s, "
                f"{one['cpu_per_million']:.2f} cpu s/M, others {one['foreign_cores']:.2f} cores")
        if paced is not None:
            self.paced.setdefault(system.name, []).append(paced)
            self.results.write("latency", {"round": number, **paced})
            text += f"; at {paced['rate']}/s p50 {paced['acknowledge_p50_us'] or 0} and {paced['deliver_p50_us']} us"
        if half is not None:
            self.halves.setdefault(system.name, []).append(half)
            self.results.write("half", {"round": number, **half})
            text += f"; at {half['rate']:,}/s p50 {half['acknowledge_p50_us'] or 0} and {half['deliver_p50_us']} us"
        say(text + ("" if one["whole"] else f", LOST {one['lost']}") + "".join("; " + m for m in one["messages"]))

    def _run_once(self, system, number, is_beside):
        """A fresh cluster, a warm-up that also sets the count of records, a run at full load, one at the plan's rate, one at half of the full load."""
        plan, size, rate = self.plan, self.size, self.plan["rate"]
        try:
            system.start()
            warm = measure(system, f"warm{size}-{number}", self.least, size)
            if system.name not in self.counts:
                # Longer looks: the first is too short to tell where a cluster settles.
                for turn in range(LOOKS_MOST):
                    look = max(self.least, int(warm["records_per_second"] * plan["seconds"] / 4))
                    warm = measure(system, f"look{size}-{turn}", look, size)
                    if warm["seconds"] > plan["seconds"] / 8:
                        break
                wanted = int(warm["records_per_second"] * plan["seconds"])
                self.counts[system.name] = min(max(wanted, self.least), RECORDS_MOST)
            one = measure(system, f"run{size}-{number}", self.counts[system.name], size)
            paced = half = None
            if rate and not is_beside and one["whole"] and one["records_per_second"] > rate * RATE_HEADROOM:
                paced = measure(system, f"rate{size}-{number}", int(rate * plan["rate_seconds"]), size, rate)
                most = int(one["records_per_second"] / 2)
                if plan["half_seconds"]:
                    half = measure(system, f"half{size}-{number}", int(most * plan["half_seconds"]), size, most)
            return one, paced, half
        finally:
            system.stop()


def recall(path, name, plan):
    """The rounds of the newest whole run of a plan, from the file of results, and where it ran; nothing is measured."""
    with open(path, encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    whole = [line["run"] for line in lines if line["kind"] == "summary"]
    runs = [line for line in lines if line["kind"] == "conditions" and line["command"].split()[1:2] == [name] and line["run"] in whole]
    if not runs:
        raise Failure(f"no whole run of {name} is in {path}")
    where = runs[-1]
    several = {}
    for line in lines:
        if line["run"] != where["run"] or line["kind"] not in ("sample", "latency", "half", "beside", "limit"):
            continue
        size = line["size_round"] if line["kind"] == "limit" else line["size"]
        rounds = several.setdefault(size, Rounds(plan, size, Limits([], 0), None))
        if line["kind"] == "limit":
            rounds.limits.figures[line["figure"]] = line
        else:
            kept = {"sample": rounds.samples, "latency": rounds.paced, "half": rounds.halves, "beside": rounds.beside}[line["kind"]]
            kept.setdefault(line["system"], []).append(line)
    return list(several.values()), where
