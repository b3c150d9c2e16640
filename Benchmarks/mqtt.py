"""One mosquitto on loopback, Benchmarks/mqtt_peer.c at both ends."""

import os
import re
import shutil
import socket
import subprocess

from processes import Servers, free_ports, wait_until, window_for

READY_SECONDS = 20
WINDOW = 1_000  # records in flight; see README.md


class Mosquitto:
    name = "mosquitto"
    label = "Mosquitto, QoS 1"
    level = "ordered"
    promise = "in the memory of the one node there is"
    crossings, copies = 2, 0  # publisher to server, server to subscriber; nothing written

    def __init__(self, peer, temporary):
        self.peer, self.temporary = peer, temporary
        self.server = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        self.servers, self.port = None, 0

    def missing(self):
        present = os.access(self.server, os.X_OK) and os.access(self.peer, os.X_OK)
        return None if present else "not installed"

    def remedy(self):
        return "scripts/setup bench installs mosquitto"

    def version(self):
        done = subprocess.run([self.server, "-h"], capture_output=True, text=True, timeout=10, check=False)
        found = re.search(r"version (\S+)", done.stdout + done.stderr)
        return f"mosquitto {found.group(1) if found else '(no version)'}"

    def start(self):
        self.servers = Servers(self.temporary, self.name)
        [self.port] = free_ports(1)
        path = os.path.join(self.servers.directory, "mosquitto.conf")
        with open(path, "w", encoding="ascii") as file:
            # As many packets in flight as the client likes: the limits as they come are 20 and 1,000.
            file.write(f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence false\nmax_inflight_messages 0\n"
                       "max_queued_messages 0\nset_tcp_nodelay true\nlog_type error\nlog_dest stderr\n")
        self.servers.start([self.server, "-c", path], "mosquitto.log")
        wait_until(self._ready, READY_SECONDS, f"mosquitto at port {self.port}")

    def _ready(self):
        self.servers.check_alive()
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
            return True
        except ConnectionError:
            return False

    def prepare(self, topic):
        """Nothing to create: the subscription comes before the first record."""

    def forget(self, topic):
        """Nothing to delete: the broker keeps no record that was received."""

    def publisher(self, topic, records, size, rate=0):
        return [self.peer, "pub", "--port", str(self.port), "--subject", f"bench/{topic}", "--records", str(records),
                "--size", str(size), "--window", str(window_for(size, WINDOW)), "--rate", str(rate)]

    def subscriber(self, topic, records):
        return [self.peer, "sub", "--port", str(self.port), "--subject", f"bench/{topic}", "--records", str(records)]

    def stop(self):
        if self.servers is not None:
            self.servers.stop()
            self.servers = None
