"""Runs the benchmarks; see scripts/bench for the words of the command line."""

import argparse
import contextlib
import fcntl
import json
import os
import shutil
import signal
import sys
import time

import bars
import conditions
import counts
import crowd
import idle
import many
import parted
import plans
import publish
import report
import retention
import shapes
import sharing
import stopped
import subscribers
import variants
import waiting
from nats import Nats
from plans import Limits, say
from processes import Failure
from squall import Squall

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OUTPUT = os.path.join(ROOT, ".build", "bench")
TEMPORARY = os.path.join(OUTPUT, "tmp")
FABRIC = os.path.join(OUTPUT, "fabric")  # not there where libfabric's header was not
CHAIN = os.path.join(OUTPUT, "chain")
RESULTS = os.path.join(OUTPUT, "results.jsonl")

# Ours beside ours: module and rounds unless the command line says how many.
VARIANTS = {"many": (many, 5), "retention": (retention, 3), "parted": (parted, 3), "stopped": (stopped, 1), "subscribers": (subscribers, 5), "crowd": (crowd, 3), "counts": (counts, 3),
            "waiting": (waiting, 3), "sharing": (sharing, 5), "shapes": (shapes, 5)}
VARIANT_ROUNDS_LEAST = 3  # where the module does not say less by LEAST_ROUNDS

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


def begin(systems):
    """Where and with what this runs, and the file that every figure goes to, which begins with it."""
    versions = list(dict.fromkeys(s.version() for s in systems)) or ["nothing to measure but the machine"]
    where = conditions.gather(ROOT, TEMPORARY, f"scripts/bench {' '.join(sys.argv[1:])}", versions)
    results = Results(RESULTS, where["at"])
    results.write("conditions", where)
    return where, results


@contextlib.contextmanager
def turn():
    """While this lasts nobody else who locks the same file (BENCH_LOCK) measures on this machine."""
    path = os.environ.get("BENCH_LOCK")
    if not path:
        yield
        return
    with open(path, "a", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def limits_of(seconds, messages, machine=True, chain=False):
    """The machine's limits, those of libfabric's messages of these sizes where it is there, and those of bare processes in a chain."""
    programs = [[os.path.join(OUTPUT, "limits"), "--dir", TEMPORARY]] if machine else []
    if os.access(FABRIC, os.X_OK):
        programs += [[FABRIC, "--size", str(message)] for message in messages]
    if chain:
        programs += [[CHAIN, "--size", str(message)] for message in messages]
    return Limits(programs, seconds)


def measure_size(plan, size, ours, peers, results):
    """All rounds with records of one size."""
    wanted = "ordered" in plan["levels"] and size >= report.FABRIC_LEAST
    limits = limits_of(plan["limit_seconds"], [report.fabric_message(size)] if wanted else [], plan.get("machine", True), plan.get("chain", False))
    rounds = plans.Rounds(plan, size, limits, results)
    with turn():
        rounds.run([s for s in [*ours, *peers] if s.missing() is None])
    for figure in limits.figures.values():
        results.write("limit", {"size_round": size, **figure})
    return rounds


def set_out(plan, rounds, ours, peers):
    """What was found with records of one size: summaries, lines of text, lines of Markdown."""
    size, limits = rounds.size, rounds.limits.figures
    found = {s.name: report.summary(s, rounds.samples[s.name], rounds.paced.get(s.name, []), rounds.halves.get(s.name, []), limits, size)
             for s in [*ours, *peers] if s.name in rounds.samples and s.name not in rounds.failed}

    def reason(peer):
        return peer.missing() or "failed"
    mine = {s.level: found[s.name] for s in ours if s.name in found}
    beside = {s.level: report.summary(s, rounds.beside[s.name], [], [], limits, size) for s in ours if s.name in rounds.beside}
    slow = {p.name for p in peers if hasattr(p, "leave")}
    lines = list(report.rows(size, mine, [found.get(p.name, (p.label, p.level, reason(p))) for p in peers] or [("–", "durable", "–")], beside, slow))
    shown = list(found.values())
    notes = report.promises(shown) + list(report.losses(shown)) + report.arithmetic(limits, size, shown) + [
        f"{plan['rounds']} runs each, medians; interleaved on fresh clusters" + (", but RabbitMQ's afterwards on one start" if slow & found.keys() else "")
        + (f", in turns with ours once more, which took {report.number(beside['durable']['records_per_second'])} records/s then, beside its three idle nodes" if "durable" in beside else "") + "; records a run: "
        + ", ".join(f"{one['label']} {one['records']:,}" for one in shown) + ".",
        "Processor time of anyone else on the machine meanwhile, at least: "
        + ", ".join(f"{one['label']} {one['foreign_cores']:.2f} cores" for one in shown) + "."]
    notes += [report.verdict(*report.fabric_verdict(one["fabric"])) for one in shown if one["fabric"]]
    notes += [report.verdict(*one) for one in bars.of(size, found, beside, limits)]
    text = [report.table(lines), ""]
    if plan["rate"]:
        text += [f"at {plan['rate']} records a second:", report.table(report.latency_rows(shown), report.LATENCY_HEADINGS, report.LATENCY_TEXT), ""]
    if plan["rate"] and plan["half_seconds"]:
        text += ["at half of its own full load:", report.table(report.half_rows(shown), report.HALF_HEADINGS, report.LATENCY_TEXT), ""]
    text += [report.table(report.use_rows(shown), report.USE_HEADINGS, report.LATENCY_TEXT), ""]
    text += [report.table(report.limit_rows(limits), report.LIMIT_HEADINGS, report.LIMIT_TEXT), "", *notes, ""]
    return shown, text, publish.block(size, shown, lines, limits, notes)


def put_out(options, plan, several, ours, peers, where):
    """Prints what was found with all sizes, and writes it when that is asked for; `several` are the rounds of each size."""
    found_by_size, text, blocks = {}, [], []
    for rounds in several:
        found_by_size[rounds.size], words, block = set_out(plan, rounds, ours, peers)
        text += words
        blocks += block
    print("\n".join(text + conditions.sentences(where)))
    if options.write:
        publish.write(options.write, options.command, blocks, found_by_size, where)
        say(f"bench: wrote {options.write}")
    return found_by_size


def run_plan(options):
    name = options.command
    plan = dict(plans.PLANS[name])
    if options.runs:
        plan["rounds"] = max(options.runs, plans.ROUNDS_LEAST[name])
    if options.sizes:
        plan["sizes"] = options.sizes
    ours, peers = plans.systems(plan, options.binaries, OUTPUT, TEMPORARY)
    if options.again:
        several, where = plans.recall(RESULTS, name, plan)
        put_out(options, plan, several, ours, peers, where)
        return 0
    for system in [*ours, *peers]:
        if system.missing() is not None:
            say(f"bench: {system.label}: {system.missing()} ({system.remedy()}); going on without it")
    where, results = begin([s for s in [*ours, *peers] if s.missing() is None])
    several = [measure_size(plan, size, ours, peers, results) for size in plan["sizes"]]
    for found in put_out(options, plan, several, ours, peers, where).values():
        for one in found:
            results.write("summary", one)
    samples = [s for rounds in several for kept in (rounds.samples, rounds.paced, rounds.halves, rounds.beside) for taken in kept.values() for s in taken]
    return judge(name, samples, ours, several[-1].limits)


def judge(name, samples, ours, limits):
    """Exit status: 1 when ours is missing or lost records, for smoke also when it is below its floor."""
    status = 0
    if ours[0].missing() is not None:
        say(f"bench: FAILED: ours was not measured: {ours[0].missing()}")
        status = 1
    mine = [s for s in samples if s["system"] in {one.name for one in ours}]
    durable = [s for s in mine if s["system"] == ours[0].name]  # ordered topics may leave a slow subscriber behind
    for one in samples:
        if not one["whole"]:
            say(f"bench: {one['system']}: {one['lost']} of {one['records']} records lost or a client failed")
    if any(not s["whole"] for s in durable) or any(s["duplicates"] for s in mine):
        say("bench: FAILED: ours lost or repeated records")
        status = 1
    if name == "smoke" and mine:
        copies = ours[0].copies
        floor = max(SMOKE_LEAST, SMOKE_RECORDS_PER_SYNC * limits.figures["sync_64k"]["median"] / copies)
        rate = report.median(mine, "records_per_second")
        print(f"smoke: {rate:,.0f} rec/s; floor {floor:,.0f} = the larger of {SMOKE_LEAST:,} and {SMOKE_RECORDS_PER_SYNC} records a sync × "
              f"{limits.figures['sync_64k']['median']:,.0f} syncs/s ÷ {copies} nodes")
        if rate < floor:
            say("bench: FAILED: ours is below the floor")
            status = 1
    return status


def run_idle(options):
    ours = Squall(options.binaries, TEMPORARY)
    peer = Nats("default", os.path.join(OUTPUT, "nats_peer"), TEMPORARY)
    where, results = begin([s for s in (ours, peer) if s.missing() is None])
    found = []
    for system in (ours, peer):
        if system.missing() is not None:
            say(f"bench: {system.label}: {system.missing()} ({system.remedy()})")
            continue
        say(f"  {system.label}: {idle.WINDOW_SECONDS} s")
        found.append(idle.measure(system))
        results.write("idle", found[-1])
    print(report.table([idle.row(one) for one in found], idle.HEADINGS, (0,)))
    print(f"bars: below {idle.CORE_BAR:.1%} of one core in all, below {idle.MEMORY_BAR / 2**20:g} MiB each; user + system of three nodes "
          "without clients, topics or streams, from /proc/PID/stat")
    print("\n".join(conditions.sentences(where)))
    return 0 if any(one["system"] == ours.name and one["within_bars"] for one in found) else 1


def run_variants(options):
    module, rounds = VARIANTS[options.command]
    ours = Squall(options.binaries, TEMPORARY)
    ours.spreads = ours.spreads and getattr(module, "SPREADS", True)
    if ours.missing() is not None:
        raise Failure(f"{ours.label}: {ours.missing()} ({ours.remedy()})")
    where, results = begin([ours])
    samples = variants.run(module, ours, max(options.runs or rounds, getattr(module, "LEAST_ROUNDS", VARIANT_ROUNDS_LEAST)), say)
    for kept in samples.values():
        for one in kept:
            results.write(options.command, one)
    print(report.table(list(module.rows(samples)), module.HEADINGS, (0,)))
    verdicts = list(module.verdicts(samples))
    for text, held in verdicts:
        print(report.verdict(text, held))
    print("\n".join(conditions.sentences(where)))
    return 0 if all(held for _, held in verdicts) else 1


def run_fabric(options):
    """Our ordered records beside one stream of libfabric's messages of their size, in turns; clients as on other machines."""
    os.environ["SQUALL_SHARED_MEMORY"] = "no"
    plan = dict(plans.FABRIC)
    if options.runs:
        plan["rounds"] = max(options.runs, plans.ROUNDS_LEAST["fabric"])
    if options.sizes:
        plan["sizes"] = options.sizes
    ours = Squall(options.binaries, TEMPORARY, "ordered")
    ours.placement = plans.FABRIC_PLACEMENT
    if ours.missing() is not None:
        raise Failure(f"{ours.label}: {ours.missing()} ({ours.remedy()})")
    if not os.access(FABRIC, os.X_OK):
        raise Failure("libfabric's header is not installed; run scripts/setup")
    if min(plan["sizes"]) < report.FABRIC_LEAST:
        raise Failure(f"records are set beside libfabric from {report.FABRIC_LEAST} bytes on")
    where, results = begin([ours])
    lines, verdicts = [], []
    for size in plan["sizes"]:
        rounds = measure_size(plan, size, [ours], [], results)
        one = report.beside_fabric(ours, rounds.samples[ours.name], rounds.limits.figures, size)
        results.write("fabric", one)
        lines.append(report.fabric_row(one, rounds.limits.figures))
        verdicts.append(report.fabric_verdict(one))
    print(report.table(lines, report.FABRIC_HEADINGS, (0,)))
    for text, held in verdicts:
        print(report.verdict(text, held))
    print("\n".join(conditions.sentences(where)))
    return 1 if any(held is False for _, held in verdicts) else 0


def run_limits(options):
    del options
    limits = limits_of(0.6, [report.fabric_message(size) for size in plans.FABRIC["sizes"]], chain=True)
    limits.sample(5)
    print(report.table(report.limit_rows(limits.figures), report.LIMIT_HEADINGS, report.LIMIT_TEXT))
    return 0


COMMANDS = {**dict.fromkeys(plans.PLANS, run_plan), **dict.fromkeys(VARIANTS, run_variants), "idle": run_idle,
            "fabric": run_fabric, "limits": run_limits}


def parse():
    parser = argparse.ArgumentParser(prog="scripts/bench", add_help=False)
    parser.add_argument("command", choices=list(COMMANDS))
    parser.add_argument("--runs", type=int)
    parser.add_argument("--sizes", type=lambda text: [int(word) for word in text.split(",")])
    parser.add_argument("--write", nargs="?", const="")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--floating", action="store_true")
    parser.add_argument("--binaries", default=os.environ.get("SQUALL_BIN") or os.path.join(ROOT, ".build", "release"))
    options = parser.parse_args()
    if options.sizes and not all(16 <= size <= 1 << 20 for size in options.sizes):
        parser.error("--sizes are 16 to 1048576 bytes")
    options.binaries = os.path.abspath(options.binaries)  # servers run in directories of their own
    if options.write == "":
        options.write = os.path.join(ROOT, "docs", "benchmarks", f"{options.command}.md")
    return options


def main():
    options = parse()
    Squall.spreads = not options.floating
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
            status = COMMANDS[options.command](options)
        except Failure as failure:
            say(f"bench: {failure}")
            return 1
        except KeyboardInterrupt:
            return 130
        say(f"bench: took {time.monotonic() - started:.0f} s; every figure is in {os.path.relpath(RESULTS)}")
        return status


if __name__ == "__main__":
    sys.exit(main())
