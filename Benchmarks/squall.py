"""Three dbroker nodes on loopback, dbench at both ends."""

import json
import os
import subprocess
import time

from processes import Failure, Servers, free_ports, wait_until

NODES = 3
READY_SECONDS = 20
STATUS_SECONDS = 5

# Every topic of the benchmark, so that the brokers fold them as they would a user's.
TOPICS = """topics:
  - {{pattern: "bench/#", level: {level}}}
"""

PROMISES = {"durable": "synced to the disks of 2 of 3 nodes", "ordered": "in the memory of all 3 nodes, in its final place"}


def full_view(text, nodes):
    """Whether `dbroker status -J` shows a view of so many nodes: {"view": {"members": [..]}} or {"view": .., "members": [..]}."""
    status = json.loads(text)
    view = status.get("view")
    members = view.get("members") if isinstance(view, dict) else status.get("members")
    return view is not None and isinstance(members, list) and len(members) == nodes


class Squall:
    """Three nodes with one level for all topics: "durable" or "ordered"."""

    # Each node on a CPU of its own in turn, as separate machines would have them: the kernel puts all three on one at times.
    spreads = True
    # On a machine with two, instead: which CPU node 1, 2 and 3 are held to, and the clients.
    placement = None

    @property
    def crossings(self):
        """Times that a record crosses loopback: node 1 to 2 and 3; publisher and subscriber where they share no memory with their nodes."""
        return 4 if os.environ.get("SQUALL_SHARED_MEMORY") == "no" else 2

    def __init__(self, binaries, temporary, level="durable"):
        self.level, self.promise = level, PROMISES[level]
        self.name = "squall" if level == "durable" else f"squall-{level}"
        self.label = f"Squall, {level}"
        self.copies = NODES if level == "durable" else 0
        self.broker = os.path.join(binaries, "dbroker")
        self.bench = os.path.join(binaries, "dbench")
        self.temporary = temporary
        self.servers = None
        self.nodes = NODES
        self.ports = []
        self.topics = 1  # that a publisher writes to in turn
        self.rules = None  # another topics file
        self.extra = ""  # further lines of the nodes' files

    def missing(self):
        """Why this system cannot run, in two words, or None."""
        return None if all(os.access(p, os.X_OK) for p in (self.broker, self.bench)) else "not built"

    def remedy(self):
        return f"{self.broker} and {self.bench} are wanted"

    def version(self):
        done = subprocess.run([self.broker, "--version"], capture_output=True, text=True, timeout=STATUS_SECONDS, check=False)
        placed = ", several nodes on a CPU each in turn (cpus:)" if self._cpu(1) is not None else ""
        if self._placed() is not None:
            placed = ", nodes 1, 2, 3 and the clients on CPUs " + ", ".join(map(str, self._placed()))
        return f"dbroker {done.stdout.strip() or '(no version)'}{placed}"

    def _cpu(self, node):
        """The CPU that a node is held to; None: any."""
        allowed = sorted(os.sched_getaffinity(0))
        if self._placed() is not None:
            return self._placed()[node - 1]
        return allowed[(node - 1) % len(allowed)] if self.spreads and self.nodes > 1 and len(allowed) > 1 else None

    def _placed(self):
        """The CPUs of nodes 1, 2, 3 and of the clients, where `placement` says and the machine has two; else None."""
        allowed = sorted(os.sched_getaffinity(0))
        return [allowed[one] for one in self.placement] if self.spreads and self.placement and self.nodes == NODES and len(allowed) == 2 else None

    def _held(self, client):
        return client if self._placed() is None else ["taskset", "--cpu-list", str(self._placed()[NODES]), *client]

    def start(self):
        self.ports = free_ports(self.nodes)
        self.servers = Servers(self.temporary, self.name)
        directory = self.servers.directory
        with open(os.path.join(directory, "topics.yaml"), "w", encoding="ascii") as file:
            file.write(self.rules or TOPICS.format(level=self.level))
        members = "".join(f"  - {{node: {n}, address: 127.0.0.1:{p}}}\n" for n, p in enumerate(self.ports, 1))
        for node, port in enumerate(self.ports, 1):
            data = os.path.join(directory, str(node))
            os.mkdir(data)
            config = os.path.join(directory, f"node{node}.yaml")
            cpu = self._cpu(node)
            held = "" if cpu is None else f"cpus: {cpu}\n"
            with open(config, "w", encoding="utf-8") as file:
                file.write(f"node: {node}\ncluster: bench\nlisten: 127.0.0.1:{port}\ndata: {data}\n"
                           f"members:\n{members}topics: topics.yaml\n{held}{self.extra}")
        self._run()

    def _run(self):
        for node in range(1, self.nodes + 1):
            config = os.path.join(self.servers.directory, f"node{node}.yaml")
            self.servers.start([self.broker, "run", "--config", config], f"node{node}.log")
        for port in self.ports:
            wait_until(lambda port=port: self._ready(port), READY_SECONDS, f"a view of {self.nodes} nodes at port {port}")

    def restart(self):
        """Ends all nodes and starts them again from their disks; returns the seconds from the start until all are live."""
        self.servers.end()
        start = time.monotonic()
        self._run()
        return time.monotonic() - start

    def _ready(self, port):
        self.servers.check_alive()
        try:
            done = subprocess.run([self.broker, "status", "-b", f"127.0.0.1:{port}", "-J"],
                                  capture_output=True, text=True, timeout=STATUS_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            return False
        if done.returncode != 0:
            return False
        try:
            return full_view(done.stdout, self.nodes)
        except (json.JSONDecodeError, AttributeError) as error:
            raise Failure(f"'dbroker status -J' printed what is not understood ({error}): {done.stdout[:200]!r}") from error

    def prepare(self, topic):
        """Nothing to create: the pattern in topics.yaml covers the topic."""

    def forget(self, topic):
        """Nothing to delete: the directory goes with the cluster."""

    def publisher(self, topic, records, size, rate=0):
        return self._held([self.bench, "pub", "--broker", f"127.0.0.1:{self.ports[0]}", "--records", str(records),
                           "--size", str(size), "--topic", f"bench/{topic}", "--topics", str(self.topics)] + (
                               ["--rate", str(rate), "--linger", "0"] if rate else []))  # at a rate no batch is waited for

    def subscriber(self, topic, records):
        return self._held([self.bench, "sub", "--broker", f"127.0.0.1:{self.ports[min(1, self.nodes - 1)]}", "--records", str(records),
                           "--topic", f"bench/{topic}", "--topics", str(self.topics)])

    def stop(self):
        if self.servers is not None:
            self.servers.stop()
            self.servers = None
