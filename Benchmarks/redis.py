"""One redis-server on loopback, Benchmarks/redis_peer.c at both ends."""

import os
import shutil
import socket
import subprocess

from processes import Servers, free_ports, wait_until, window_for

READY_SECONDS = 20
WINDOW = 10_000  # records in flight; see README.md


class Redis:
    """A stream with one way to sync the append-only file: "always" or "everysec"."""

    level = "durable"
    crossings, copies = 2, 1  # publisher to server, server to subscriber; one file

    def __init__(self, mode, peer, temporary):
        self.mode, self.peer, self.temporary = mode, peer, temporary
        self.server = shutil.which("redis-server") or "/usr/bin/redis-server"
        self.name = f"redis-{mode}"
        self.label = f"Redis streams, {mode}"
        self.servers, self.port = None, 0

    def missing(self):
        present = os.access(self.server, os.X_OK) and os.access(self.peer, os.X_OK)
        return None if present else "not installed"

    def remedy(self):
        return "scripts/setup bench installs redis-server"

    @property
    def promise(self):
        if self.mode == "always":
            return "synced to the disk of the one node there is"
        return "written by the one node there is; its disk synced every second"

    def version(self):
        done = subprocess.run([self.server, "--version"], capture_output=True, text=True, timeout=10, check=True)
        return "redis-server " + next(word[2:] for word in done.stdout.split() if word.startswith("v="))

    def start(self):
        self.servers = Servers(self.temporary, self.name)
        [self.port] = free_ports(1)
        # No snapshots, and the file is never written anew meanwhile: both would only cost it time.
        self.servers.start([self.server, "--bind", "127.0.0.1", "--port", str(self.port), "--daemonize", "no", "--save", "",
                            "--dir", self.servers.directory, "--appendonly", "yes", "--appendfsync", self.mode,
                            "--auto-aof-rewrite-percentage", "0"], "redis.log")
        wait_until(self._ready, READY_SECONDS, f"redis-server at port {self.port}")

    def _ready(self):
        self.servers.check_alive()
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"+PONG")
        except ConnectionError:
            return False

    def prepare(self, topic):
        """Nothing to create: the first XADD makes the stream."""

    def forget(self, topic):
        """Gives the stream's memory back, so that a later run meets an empty server."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
            connection.sendall(f"DEL {topic}\r\n".encode("ascii"))
            connection.recv(64)

    def publisher(self, topic, records, size, rate=0):
        return [self.peer, "pub", "--port", str(self.port), "--stream", topic, "--records", str(records), "--size", str(size),
                "--window", str(window_for(size, WINDOW)), "--rate", str(rate)]

    def subscriber(self, topic, records):
        return [self.peer, "sub", "--port", str(self.port), "--stream", topic, "--records", str(records)]

    def stop(self):
        if self.servers is not None:
            self.servers.stop()
            self.servers = None
