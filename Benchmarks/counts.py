"""Counted, not assumed: system calls, allocations and locks of each process under full load, by records delivered meanwhile.

perf counts the system calls (raw_syscalls), and by probes in the C library the calls of malloc, calloc, realloc and
pthread_mutex_lock; it needs the rights to. Probes cost time: rates of this run say nothing.
"""

import os
import re
import shutil
import subprocess
import threading
import time

from processes import Failure
from report import median
from retention import status
from sample import measure

VARIANTS = ("100 B", "1 KiB")
SIZES = {"100 B": 100, "1 KiB": 1024}
LOOK_RECORDS = 500_000
ROUND_SECONDS = 8.0
AFTER_SECONDS = 2.0  # until all rings and buffers have grown
COUNT_SECONDS = 3.0
CALLS = ("malloc", "calloc", "realloc", "pthread_mutex_lock")

CALL_BAR = 0.02  # system calls a record of 100 B
NONE_BAR = 0.1  # allocations, or locks, a record of 100 B: one each would be 1

HEADINGS = ["three nodes, durable", "process", "system calls a record", "allocations a record", "locks a record", "allocations per 64 KiB"]


class Probes:
    """The C library's calls as events of perf; those that were not there before go at the end."""

    def __init__(self):
        if shutil.which("perf") is None:
            raise Failure("perf is not installed: nothing counts calls here")
        with open("/proc/self/maps", encoding="utf-8") as maps:
            library = next((line.split()[-1] for line in maps if re.search(r"/libc\.so\.6$", line.strip())), None)
        self.added = []
        known = self._perf("-l").stdout
        for call in CALLS:
            if f"probe_libc:{call} " not in known:
                done = self._perf("-x", str(library), call)
                if done.returncode != 0:
                    self.end()
                    raise Failure(f"perf cannot probe {call}: {done.stderr.strip().splitlines()[-1:]}")
                self.added.append(call)

    @staticmethod
    def _perf(*arguments):
        return subprocess.run(["perf", "probe", "-q", *arguments] if arguments != ("-l",) else ["perf", "probe", "-l"],
                              capture_output=True, text=True, check=False)

    def end(self):
        for call in self.added:
            self._perf("-d", f"probe_libc:{call}")


def clients():
    """Process ids of this process's publisher and subscriber."""
    found = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8") as file:
                if int(file.read().rsplit(")", 1)[1].split()[1]) != os.getpid():
                    continue
            with open(f"/proc/{name}/cmdline", encoding="utf-8") as file:
                words = file.read().split("\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if os.path.basename(words[0]) == "dbench":
            found[{"pub": "publisher", "sub": "subscriber"}[words[1]]] = int(name)
    return found


def count(system, into):
    """Counts all processes at once while the load runs; per process: calls by name, a record."""
    time.sleep(AFTER_SECONDS)
    targets = {f"node {number}": p.pid for number, p in enumerate(system.servers.processes, 1)} | clients()
    events = ",".join(["raw_syscalls:sys_enter"] + [f"probe_libc:{call}" for call in CALLS])
    before = status(system, system.ports[-1])["delivered"]
    counting = {name: subprocess.Popen(["perf", "stat", "-x,", "-e", events, "-p", str(pid), "--", "sleep", str(COUNT_SECONDS)],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) for name, pid in targets.items()}
    texts = {name: process.communicate()[1] for name, process in counting.items()}
    records = status(system, system.ports[-1])["delivered"] - before
    for name, text in texts.items():
        into[name] = {line.split(",")[2].split(":")[-1]: int(line.split(",")[0]) / max(1, records)
                      for line in text.splitlines() if re.match(r"\d+,", line)}


def run_once(system, variant, records):
    """One fresh cluster, one run; counted in its midst."""
    probes = Probes()
    counts = {}
    try:
        system.start()
        thread = threading.Thread(target=count, args=(system, counts))
        thread.start()
        one = measure(system, "run", records if variant == VARIANTS[0] else records // 5, SIZES[variant])
        thread.join()
        one["variant"], one["counts"] = variant, counts
        return one
    finally:
        system.stop()
        probes.end()


def calls(kept, name):
    """Medians of one process's calls a record: system calls, allocations, locks."""
    system = median([{"v": one["counts"][name].get("sys_enter", 0)} for one in kept], "v")
    allocations = median([{"v": sum(one["counts"][name].get(call, 0) for call in CALLS[:3])} for one in kept], "v")
    locks = median([{"v": one["counts"][name].get(CALLS[3], 0)} for one in kept], "v")
    return system, allocations, locks


def remark(one):
    return "system calls a record " + ", ".join(f"{name} {c.get('sys_enter', 0):.4f}" for name, c in one["counts"].items())


def rows(samples):
    for variant, kept in samples.items():
        for name in kept[0]["counts"]:
            system, allocations, locks = calls(kept, name)
            yield [variant, name, f"{system:.4f}", f"{allocations:.4f}", f"{locks:.4f}", f"{allocations * 65536 / SIZES[variant]:.1f}"]


def verdicts(samples):
    """Each bar as (text, held)."""
    kept = samples[VARIANTS[0]]
    figures = {name: calls(kept, name) for name in kept[0]["counts"]}
    for index, (what, bar) in enumerate((("system calls", CALL_BAR), ("allocations", NONE_BAR), ("locks", NONE_BAR))):
        worst = max(figures, key=lambda name, index=index: figures[name][index])
        most = figures[worst][index]
        yield f"most {what} a record of 100 B: {most:.4f}, {worst} (bar: {bar})", most < bar
