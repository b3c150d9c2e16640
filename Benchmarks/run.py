"""Runs the benchmarks; see scripts/bench for the words of the command line."""

import argparse
import fcntl
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time

import conditions
import idle
import many
import report
import retention
from nats import Nats
from processes import Failure
from sample import measure
from squall import Squall

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OUTPUT = os.path.join(ROOT, ".build", "bench")
TEMPORARY = os.path.join(OUTPUT, "tmp")
RESULTS = os.path.join(OUTPUT, "results.jsonl")

# quick: 5 rounds × 4 systems × (start 1 s + warm-up 1 s + 4 s + stop 1 s) + 5 × limits 4 s = 160 s.
PLANS = {
    "quick": {"sizes": [100], "rounds": 5, "seconds": 4.0, "limit_seconds": 0.4, "peers": True},
    "full": {"sizes": [16, 100, 1024, 10240], "rounds": 7, "seconds": 6.0, "limit_seconds": 0.6, "peers": True},
    # smoke: limits 3 s + 2 × (start 2 s + warm-up 2 s + 2 s + stop 1 s) = 20 s.
    "smoke": {"sizes": [100], "rounds": 2, "seconds": 2.0, "limit_seconds": 0.2, "peers": False},
}
ROUNDS_LEAST = {"quick": 3, "full": 3, "smoke": 1}

WARM_UP_RECORDS = 2_000
RECORDS_LEAST, RECORDS_MOST = 2_000, 10_000_000

# Smoke's floor moves with the machine: one record a sync would be sync_64k ÷ 3 (three nodes, one disk).
# A broker that packs fewer than 10 records into a sync under full load has lost its batching.
SMOKE_RECORDS_PER_SYNC = 10
# However slow the disk: a tenth of what JetStream without syncs does on two cores.
SMOKE_LEAST = 3_000


class Results:
    """Every figure as one line of JSON, marked with its run."""

    def __init__(self, path, run):
        self.path, self.run = path, run

    def write(self, kind, value):
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps({"kind": kind, "run": self.run, **value}) + "\n")


def say(text):
    print(text, file=sys.stderr, flush=True)


def take_limits(seconds, samples):
    done = subprocess.run([os.path.join(OUTPUT, "limits"), "--dir", TEMPORARY, "--seconds", str(seconds), "--samples", str(samples)],
                          capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        raise Failure(done.stderr.strip())
    return [json.loads(line) for line in done.stdout.splitlines()]


class Limits:
    """The machine's limits, sampled once a round: they move as the brokers' figures do."""

    def __init__(self, seconds):
        self.seconds, self.figures = seconds, {}

    def sample(self):
        for one in take_limits(self.seconds, 1):
            known = self.figures.setdefault(one["figure"], {**one, "samples": []})
            known["samples"] += one["samples"]
            known["median"] = statistics.median(known["samples"])


def run_once(system, size, plan, counts):
    """A fresh cluster, a warm-up that also sets the count of records, one measured run."""
    key = (system.name, size)
    try:
        system.start()
        warm = measure(system, "warm", WARM_UP_RECORDS, size)
        if key not in counts:
            # A second, longer look: the first is too short to tell where a cluster settles.
            warm = measure(system, "look", max(WARM_UP_RECORDS, int(warm["records_per_second"] * plan["seconds"] / 4)), size)
            counts[key] = min(max(int(warm["records_per_second"] * plan["seconds"]), RECORDS_LEAST), RECORDS_MOST)
        return measure(system, "run", counts[key], size)
    finally:
        system.stop()


def run_rounds(plan, systems, size, limits, results):
    """Interleaved rounds: every system once, then every system again."""
    samples, counts = {system.name: [] for system in systems}, {}
    for number in range(1, plan["rounds"] + 1):
        limits.sample()
        for system in systems:
            one = run_once(system, size, plan, counts)
            samples[system.name].append(one)
            results.write("sample", {"round": number, **one})
            say(f"  {size} B, round {number}: {system.label:22} {one['records_per_second']:>12,.0f} rec/s, "
                f"{one['cpu_per_million']:.2f} cpu s/M, others {one['foreign_cores']:.2f} cores"
                + ("" if one["whole"] else f", LOST {one['lost']}") + ("".join("; " + m for m in one["messages"])))
    return samples


def run_plan(name, options):
    plan = dict(PLANS[name])
    if options.runs:
        plan["rounds"] = max(options.runs, ROUNDS_LEAST[name])
    ours = Squall(options.binaries, TEMPORARY)
    peers = [Nats(mode, os.path.join(OUTPUT, "nats_peer"), TEMPORARY) for mode in ("default", "synced", "core")] if plan["peers"] else []
    present = [s for s in [ours, *peers] if s.missing() is None]
    for system in [ours, *peers]:
        if system.missing() is not None:
            say(f"bench: {system.label}: {system.missing()} ({system.remedy()}); going on without it")
    versions = list(dict.fromkeys(s.version() for s in present)) or ["nothing to measure but the machine"]
    where = conditions.gather(ROOT, TEMPORARY, f"scripts/bench {' '.join(sys.argv[1:])}", versions)
    results = Results(RESULTS, where["at"])
    results.write("conditions", where)
    text, marked, all_samples = [], [], []
    for size in plan["sizes"]:
        limits = Limits(plan["limit_seconds"])
        samples = run_rounds(plan, present, size, limits, results)
        found = {s.name: report.summary(s, samples[s.name], limits.figures, size, s.name != "nats-core") for s in present}
        for figure in limits.figures.values():
            results.write("limit", {"size_round": size, **figure})
        for one in found.values():
            results.write("summary", one)
        all_samples += [s for several in samples.values() for s in several]
        lines = list(report.rows(size, found.get(ours.name, ours.missing()),
                                 [found.get(p.name, (p.label, p.missing())) for p in peers] or [("–", "–")]))
        notes = report.promises(found.values()) + report.arithmetic(limits.figures, size) + [
            f"{plan['rounds']} interleaved runs each on fresh clusters, medians; records a run: "
            + ", ".join(f"{one['label']} {one['records']:,}" for one in found.values()) + ".",
            "Processor time of anyone else on the machine meanwhile, at least: "
            + ", ".join(f"{one['label']} {one['foreign_cores']:.2f} cores" for one in found.values()) + "."]
        lines_of_limits = list(report.limit_rows(limits.figures))
        text += [report.table(lines), "", report.table(lines_of_limits, report.LIMIT_HEADINGS, report.LIMIT_TEXT), "", *notes, ""]
        marked += [f"## Records of {size} bytes", "", report.markdown_table(lines), "",
                   *(f"- {n}" for n in notes), "",
                   report.markdown_table(lines_of_limits, report.LIMIT_HEADINGS, report.LIMIT_TEXT), ""]
    print("\n".join(text + conditions.sentences(where)))
    if options.write:
        write_markdown(options.write, name, marked, where)
    return judge(name, all_samples, ours, limits)


def write_markdown(path, name, marked, where):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    head = [f"# scripts/bench {name}", "",
            "Three nodes, one publisher at the first, one subscriber at the second. Written by the command below.", "",
            *(f"- {s}" for s in conditions.sentences(where)), ""]
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(head + marked).rstrip() + "\n")
    say(f"bench: wrote {path}")


def judge(name, samples, ours, limits):
    """Exit status: 1 when ours is missing or lost records, for smoke also when it is below its floor."""
    status = 0
    if ours.missing() is not None:
        say(f"bench: FAILED: ours was not measured: {ours.missing()}")
        status = 1
    mine = [s for s in samples if s["system"] == ours.name]
    for one in samples:
        if not one["whole"]:
            say(f"bench: {one['system']}: {one['lost']} of {one['records']} records lost or a client failed")
    if any(not s["whole"] or s["duplicates"] for s in mine):
        say("bench: FAILED: ours lost or repeated records")
        status = 1
    if name == "smoke" and mine:
        floor = max(SMOKE_LEAST, SMOKE_RECORDS_PER_SYNC * limits.figures["sync_64k"]["median"] / report.COPIES_ON_DISK)
        rate = report.median(mine, "records_per_second")
        print(f"smoke: {rate:,.0f} rec/s; floor {floor:,.0f} = the larger of {SMOKE_LEAST:,} and {SMOKE_RECORDS_PER_SYNC} records a sync × "
              f"{limits.figures['sync_64k']['median']:,.0f} syncs/s ÷ {report.COPIES_ON_DISK} nodes")
        if rate < floor:
            say("bench: FAILED: ours is below the floor")
            status = 1
    return status


def run_idle(options):
    ours = Squall(options.binaries, TEMPORARY)
    peer = Nats("default", os.path.join(OUTPUT, "nats_peer"), TEMPORARY)
    present = [s for s in (ours, peer) if s.missing() is None]
    where = conditions.gather(ROOT, TEMPORARY, f"scripts/bench {' '.join(sys.argv[1:])}", [s.version() for s in present])
    results = Results(RESULTS, where["at"])
    results.write("conditions", where)
    found = []
    for system in (ours, peer):
        if system.missing() is not None:
            say(f"bench: {system.label}: {system.missing()} ({system.remedy()})")
            continue
        say(f"  {system.label}: {idle.WINDOW_SECONDS} s")
        found.append(idle.measure(system))
        results.write("idle", found[-1])
    print(report.table([idle.row(one) for one in found], idle.HEADINGS, (0,)))
    print(f"bars: below {idle.CORE_BAR:.0%} of one core in all, below {idle.MEMORY_BAR / 2**20:g} MiB each; user + system of three nodes "
          "without clients, topics or streams, from /proc/PID/stat")
    print("\n".join(conditions.sentences(where)))
    return 0 if any(one["system"] == ours.name and one["within_bars"] for one in found) else 1


def run_many(options):
    ours = Squall(options.binaries, TEMPORARY)
    if ours.missing() is not None:
        raise Failure(f"{ours.label}: {ours.missing()} ({ours.remedy()})")
    where = conditions.gather(ROOT, TEMPORARY, f"scripts/bench {' '.join(sys.argv[1:])}", [ours.version()])
    results = Results(RESULTS, where["at"])
    results.write("conditions", where)
    samples = many.run(ours, max(options.runs or 5, ROUNDS_LEAST["full"]), say)
    for kept in samples.values():
        for one in kept:
            results.write("many", one)
    print(report.table(list(many.rows(samples)), many.HEADINGS, (0,)))
    verdicts = list(many.verdicts(samples))
    for text, held in verdicts:
        print(("within  " if held else "MISSED  ") + text)
    print("\n".join(conditions.sentences(where)))
    return 0 if all(held for _, held in verdicts) else 1


def run_retention(options):
    ours = Squall(options.binaries, TEMPORARY)
    if ours.missing() is not None:
        raise Failure(f"{ours.label}: {ours.missing()} ({ours.remedy()})")
    where = conditions.gather(ROOT, TEMPORARY, f"scripts/bench {' '.join(sys.argv[1:])}", [ours.version()])
    results = Results(RESULTS, where["at"])
    results.write("conditions", where)
    samples = retention.run(ours, max(options.runs or 3, ROUNDS_LEAST["full"]), say)
    for kept in samples.values():
        for one in kept:
            results.write("retention", one)
    print(report.table(list(retention.rows(samples)), retention.HEADINGS, (0,)))
    verdicts = list(retention.verdicts(samples))
    for text, held in verdicts:
        print(("within  " if held else "MISSED  ") + text)
    print("\n".join(conditions.sentences(where)))
    return 0 if all(held for _, held in verdicts) else 1


def run_limits(options):
    del options
    figures = take_limits(0.6, 5)
    print(report.table(report.limit_rows({f["figure"]: f for f in figures}), report.LIMIT_HEADINGS, report.LIMIT_TEXT))
    return 0


def parse():
    parser = argparse.ArgumentParser(prog="scripts/bench", add_help=False)
    parser.add_argument("command", choices=[*PLANS, "idle", "many", "retention", "limits"])
    parser.add_argument("--runs", type=int)
    parser.add_argument("--write", nargs="?", const="")
    parser.add_argument("--binaries", default=os.environ.get("SQUALL_BIN") or os.path.join(ROOT, ".build", "release"))
    options = parser.parse_args()
    if options.write == "":
        options.write = os.path.join(ROOT, "docs", "benchmarks", f"{options.command}.md")
    return options


def main():
    options = parse()
    os.makedirs(TEMPORARY, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that servers are ended and directories removed
    with open(os.path.join(OUTPUT, "lock"), "w", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("bench: another benchmark is running here; two at once would measure each other")
            return 1
        for left in os.listdir(TEMPORARY):  # by a runner that was killed: the lock says that none is at work
            shutil.rmtree(os.path.join(TEMPORARY, left))
        started = time.monotonic()
        try:
            status = {"idle": run_idle, "many": run_many, "retention": run_retention, "limits": run_limits}.get(options.command, lambda o: run_plan(o.command, o))(options)
        except Failure as failure:
            say(f"bench: {failure}")
            return 1
        except KeyboardInterrupt:
            return 130
        say(f"bench: took {time.monotonic() - started:.0f} s; every figure is in {os.path.relpath(RESULTS)}")
        return status


if __name__ == "__main__":
    sys.exit(main())
