"""Three RabbitMQ nodes with streams on loopback, Benchmarks/rabbit_peer.c at both ends."""

import json
import os
import shutil
import socket
import subprocess

from processes import Failure, Servers, free_ports, wait_until, window_for

NODES = 3
READY_SECONDS = 150  # three virtual machines start on the cores there are: about 20 s on two
WINDOW = {1: 40_000, 100: 100_000}  # records in flight by records in an entry; see README.md
SCRIPT = "/usr/lib/rabbitmq/bin/rabbitmq-server"  # the one on the PATH changes the user


class RabbitCluster:
    """The three nodes, which several systems may use in turn: to start them takes longer than to measure."""

    def __init__(self, temporary):
        self.temporary = temporary
        self.servers, self.streams = None, {}

    def start(self):
        if self.servers is not None:
            return
        self.servers = Servers(self.temporary, "rabbitmq")
        self.servers.kills = True  # a leave in good order takes seconds, and the data goes with the directory
        ports = free_ports(3 * NODES + 1)
        directory, names = self.servers.directory, range(1, NODES + 1)
        environment = {**os.environ, "HOME": directory, "ERL_EPMD_PORT": str(ports.pop()), "ERL_EPMD_ADDRESS": "127.0.0.1"}
        amqp, distribution, streams = (dict(zip(names, ports[i::3])) for i in range(3))
        self.streams = streams
        cookie = os.path.join(directory, ".erlang.cookie")
        with open(cookie, "w", encoding="ascii", opener=lambda path, flags: os.open(path, flags, 0o400)) as file:
            file.write("BENCHMARKONLY")
        with open(os.path.join(directory, "plugins"), "w", encoding="ascii") as file:
            file.write("[rabbitmq_stream].\n")
        # The name server: left to the nodes they would start one that outlives them.
        self.servers.start(["epmd", "-address", "127.0.0.1", "-port", environment["ERL_EPMD_PORT"]], "epmd.log", environment)
        wait_until(lambda: self._listens(int(environment["ERL_EPMD_PORT"])), READY_SECONDS, "epmd")
        members = "".join(f"cluster_formation.classic_config.nodes.{n} = bench{n}@localhost\n" for n in names)
        for node in names:
            self._start_node(node, environment, amqp[node], distribution[node], members)
        for node in names:
            wait_until(lambda node=node: self._listens(streams[node]), READY_SECONDS, f"streams at RabbitMQ node {node}")

    def _start_node(self, node, environment, amqp, distribution, members):
        directory = self.servers.directory
        store = os.path.join(directory, f"store{node}")
        os.mkdir(store)
        path = os.path.join(directory, f"node{node}.conf")
        with open(path, "w", encoding="ascii") as file:
            file.write(f"listeners.tcp.default = 127.0.0.1:{amqp}\nstream.listeners.tcp.1 = 127.0.0.1:{self.streams[node]}\n"
                       f"stream.advertised_host = 127.0.0.1\nstream.advertised_port = {self.streams[node]}\n"
                       "stream.frame_max = 4194304\n"
                       f"cluster_formation.peer_discovery_backend = classic_config\n{members}"
                       "log.console = true\nlog.console.level = error\nlog.file = false\n"
                       # The disk is shared: however full others left it, that is not what is measured.
                       "disk_free_limit.absolute = 50MB\n")
        self.servers.start([SCRIPT], f"node{node}.log", {
            **environment, "RABBITMQ_NODENAME": f"bench{node}@localhost", "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_CONFIG_FILE": path, "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_ENABLED_PLUGINS_FILE": os.path.join(directory, "plugins"),
            "RABBITMQ_MNESIA_BASE": store, "RABBITMQ_LOG_BASE": store,
            "RABBITMQ_PID_FILE": os.path.join(store, "pid"), "RABBITMQ_FEATURE_FLAGS_FILE": os.path.join(store, "flags"),
            "RABBITMQ_ALLOW_INPUT": "1",  # the script becomes the virtual machine instead of waiting for it
            "RABBITMQ_SERVER_START_ARGS": "-noinput -kernel inet_dist_use_interface {127,0,0,1}"})

    def _listens(self, port):
        self.servers.check_alive()
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
            return True
        except ConnectionError:
            return False

    def stop(self):
        if self.servers is not None:
            self.servers.stop()
            self.servers = None


class Rabbit:
    """A stream with a replica on each node; `batch` records in one entry."""

    level = "durable"
    promise = "written on 2 of 3 nodes; nothing is synced"
    crossings, copies = 4, 3

    def __init__(self, batch, cluster, peer, temporary):
        self.batch, self.cluster, self.peer, self.temporary = batch, cluster, peer, temporary
        self.name = "rabbitmq" if batch == 1 else f"rabbitmq-{batch}"
        self.label = "RabbitMQ streams R3" + ("" if batch == 1 else f", entries of {batch}")
        self.places = {}

    @property
    def servers(self):
        return self.cluster.servers

    def missing(self):
        present = all(os.access(path, os.X_OK) for path in (SCRIPT, self.peer)) and shutil.which("epmd") is not None
        return None if present else "not installed"

    def remedy(self):
        return "scripts/setup bench installs rabbitmq-server"

    def version(self):
        done = subprocess.run(["dpkg-query", "-W", "-f=${Version}", "rabbitmq-server"], capture_output=True, text=True, timeout=10, check=False)
        return f"rabbitmq-server {done.stdout.strip() or '(no version)'}"

    def start(self):
        self.cluster.start()

    def prepare(self, topic):
        """Makes the stream; the publisher will be at its leader, the subscriber at another replica."""
        any_port = next(iter(self.cluster.streams.values()))
        done = subprocess.run([self.peer, "create", "--port", str(any_port), "--stream", self._stream(topic), "--replicas", str(NODES)],
                              capture_output=True, text=True, timeout=60, check=False)
        if done.returncode != 0:
            raise Failure(f"no stream: {done.stderr.strip()}\n{self.servers.last_words()}")
        self.places[topic] = json.loads(done.stdout)

    def _stream(self, topic):
        return f"{self.name}.{topic}"

    def forget(self, topic):
        """Deletes the stream: the nodes go on, and their disks would fill."""
        any_port = next(iter(self.cluster.streams.values()))
        subprocess.run([self.peer, "delete", "--port", str(any_port), "--stream", self._stream(topic)],
                       capture_output=True, text=True, timeout=60, check=True)

    def publisher(self, topic, records, size, rate=0):
        return [self.peer, "pub", "--port", str(self.places[topic]["leader_port"]), "--stream", self._stream(topic),
                "--records", str(records), "--size", str(size), "--window", str(window_for(size, WINDOW[self.batch])),
                "--batch", str(self.batch), "--rate", str(rate)]

    def subscriber(self, topic, records):
        return [self.peer, "sub", "--port", str(self.places[topic]["replica_port"]), "--stream", self._stream(topic),
                "--records", str(records)]

    def stop(self):
        """The nodes go on: leave() ends them."""

    def leave(self):
        self.cluster.stop()
