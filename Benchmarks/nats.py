"""Three nats-server processes on loopback, Benchmarks/nats_peer.c at both ends."""

import json
import os
import re
import shutil
import subprocess
import urllib.error
import urllib.request

from processes import Failure, Servers, free_ports, wait_until, window_for

NODES = 3
READY_SECONDS = 40
WINDOW = 512  # records in flight; see README.md
SYNC_OPTION_SINCE = (2, 10)  # `sync_interval` in the jetstream block; older servers reject it


class Nats:
    """One way to use NATS: "core" (no JetStream), "default" (JetStream as it comes), "single" (one replica), "synced" or "memory"."""

    def __init__(self, mode, peer, temporary):
        self.mode, self.peer, self.temporary = mode, peer, temporary
        self.server = os.environ.get("NATS_SERVER") or shutil.which("nats-server") or "/usr/sbin/nats-server"
        self.name = {"core": "nats-core", "default": "jetstream", "single": "jetstream-single", "synced": "jetstream-synced", "memory": "jetstream-memory"}[mode]
        self.label = {"core": "NATS core", "default": "JetStream R3", "single": "JetStream R1", "synced": "JetStream R3, synced",
                      "memory": "JetStream R3, memory"}[mode]
        self.level = "ordered" if mode in ("core", "memory") else "durable"
        # Publisher to node 1, 1 to 2, 1 to 3 (with replicas), 2 to subscriber.
        self.replicas = 1 if mode == "single" else NODES
        self.crossings, self.copies = 3 if mode in ("core", "single") else 4, self.replicas if self.level == "durable" else 0
        self.servers, self.clients, self.monitors = None, {}, []
        self.leaders = {}

    def missing(self):
        """Why this system cannot run, in a few words, or None."""
        if not os.access(self.server, os.X_OK) or not os.access(self.peer, os.X_OK):
            return "not installed"
        if self.mode == "synced" and not self._has_sync_option() and shutil.which("chattr") is None:
            return "no way to sync"
        return None

    def remedy(self):
        return "scripts/setup bench installs nats-server and libnats-dev"

    @property
    def promise(self):
        if self.mode == "core":
            return "nothing: reached the first server's socket"
        if self.mode == "memory":
            return "in the memory of 2 of 3 nodes"
        if self.mode == "single":
            return "written on 1 of 3 nodes, the only copy; its disk synced every 2 minutes"
        if self.mode == "default":
            return "written on 2 of 3 nodes; disks synced every 2 minutes"
        if self._has_sync_option():
            return "synced to the disks of 2 of 3 nodes (sync_interval: always)"
        return "synced to the disks of 2 of 3 nodes (store under chattr +S)"

    def version(self):
        server = subprocess.run([self.server, "--version"], capture_output=True, text=True, timeout=10, check=True)
        library = subprocess.run([self.peer, "--version"], capture_output=True, text=True, timeout=10, check=True)
        return f"{server.stdout.strip()}, libnats {library.stdout.strip()}"

    def _has_sync_option(self):
        done = subprocess.run([self.server, "--version"], capture_output=True, text=True, timeout=10, check=False)
        found = re.search(r"v(\d+)\.(\d+)", done.stdout)
        return found is not None and tuple(map(int, found.groups())) >= SYNC_OPTION_SINCE

    def _config(self, node, clients, routes, monitors):
        lines = [f"server_name: n{node}", f"listen: 127.0.0.1:{clients[node]}", f"http: 127.0.0.1:{monitors[node]}",
                 f"cluster {{ name: bench, listen: 127.0.0.1:{routes[node]}, routes: ["
                 + ", ".join(f"nats://127.0.0.1:{port}" for n, port in routes.items() if n != node) + "] }"]
        if self.mode != "core":
            store = os.path.join(self.servers.directory, f"store{node}")
            os.mkdir(store)
            option = ""
            if self.mode == "synced":
                if self._has_sync_option():
                    option = ", sync_interval: always"
                else:
                    # Files below inherit the attribute: every write to them is on the disk when it returns.
                    done = subprocess.run(["chattr", "+S", store], capture_output=True, text=True, timeout=10, check=False)
                    if done.returncode != 0:
                        raise Failure(f"chattr +S {store}: {done.stderr.strip()}")
            lines.append(f'jetstream {{ store_dir: "{store}", max_memory_store: 1GB, max_file_store: 16GB{option} }}')
        return "\n".join(lines) + "\n"

    def start(self):
        self.servers = Servers(self.temporary, self.name)
        ports = free_ports(3 * NODES)
        nodes = range(1, NODES + 1)
        self.clients, routes, monitors = (dict(zip(nodes, ports[i::3])) for i in range(3))
        for node in nodes:
            path = os.path.join(self.servers.directory, f"n{node}.conf")
            with open(path, "w", encoding="utf-8") as file:
                file.write(self._config(node, self.clients, routes, monitors))
            self.servers.start([self.server, "-c", path], f"n{node}.log")
        for node in nodes:
            wait_until(lambda node=node: self._ready(monitors[node]), READY_SECONDS, f"nats-server n{node} with its cluster")

    def _ready(self, monitor):
        """Routes to both others; for JetStream also a healthy server that knows the leader of the three."""
        self.servers.check_alive()
        try:
            if len({r["remote_id"] for r in self._ask(monitor, "routez").get("routes") or []}) != NODES - 1:
                return False
            if self.mode == "core":
                return True
            meta = self._ask(monitor, "jsz").get("meta_cluster") or {}
            return bool(meta.get("leader")) and meta.get("cluster_size") == NODES and self._ask(monitor, "healthz").get("status") == "ok"
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    @staticmethod
    def _ask(port, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=5) as answer:
            return json.load(answer)

    def _url(self, node):
        return f"nats://127.0.0.1:{self.clients[node]}"

    def prepare(self, topic):
        """Makes the stream; the publisher will talk to its leader, which spares it a hop."""
        self.leaders[topic] = 1
        if self.mode == "core":
            return
        done = subprocess.run([self.peer, "create", "--url", self._url(1), "--stream", topic, "--subject", f"bench.{topic}",
                               "--replicas", str(self.replicas)] + (["--memory"] if self.mode == "memory" else []), capture_output=True, text=True, timeout=60, check=False)
        if done.returncode != 0:
            raise Failure(f"no stream: {done.stderr.strip()}\n{self.servers.last_words()}")
        self.leaders[topic] = int(json.loads(done.stdout)["leader"].removeprefix("n"))

    def forget(self, topic):
        """Nothing to delete: the directory goes with the cluster."""

    def publisher(self, topic, records, size, rate=0):
        return [self.peer, "pub", "--url", self._url(self.leaders[topic]), "--subject", f"bench.{topic}", "--records", str(records),
                "--size", str(size), "--rate", str(rate)] + (["--jetstream", "--window", str(window_for(size, WINDOW))] if self.mode != "core" else [])

    def subscriber(self, topic, records):
        """At another node than the publisher's, as for every system here."""
        node = self.leaders[topic] % NODES + 1
        return [self.peer, "sub", "--url", self._url(node), "--subject", f"bench.{topic}", "--records", str(records)] + (
            ["--jetstream", "--stream", topic] if self.mode != "core" else [])

    def stop(self):
        if self.servers is not None:
            self.servers.stop()
            self.servers = None
