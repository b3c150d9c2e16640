"""Processes of a benchmark: started in a temporary directory, watched, counted, ended by their own id."""

import ctypes
import os
import resource
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time

TICK = os.sysconf("SC_CLK_TCK")  # ticks a second in /proc/PID/stat
POLL_SECONDS = 0.02  # between two looks at a condition
STOP_SECONDS = 10  # a server that has not ended by then is killed
PR_SET_PDEATHSIG = 1
IN_FLIGHT_BYTES = 16 << 20  # of one publisher's records, at most

_libc = ctypes.CDLL(None, use_errno=True)


class Failure(Exception):
    """The benchmark cannot go on; the text says what to do."""


def die_with_parent():
    """Runs in the child: a runner that is killed leaves no server behind."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def free_ports(count):
    """Distinct loopback ports that were free a moment ago."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]
    finally:
        for s in sockets:
            s.close()


def window_for(size, most):
    """Records in flight: what suits the peer at small records, fewer of large ones."""
    return max(1, min(most, IN_FLIGHT_BYTES // size))


def wait_until(condition, seconds, what):
    """Returns the condition's first true value; the condition is asked every POLL_SECONDS."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failure(f"not within {seconds:g} s: {what}")
        time.sleep(POLL_SECONDS)


def cpu_seconds(pid):
    """User + system time of all threads of a process, ended ones included (fields 14 and 15, `utime` and `stime`)."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def resident_bytes(pid, what="VmRSS"):
    """`VmRSS` of a process, or `VmHWM`: the most that it has had."""
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
        for line in file:
            if line.startswith(what + ":"):
                return int(line.split()[1]) * 1024
    raise Failure(f"process {pid} has no {what}: it has ended")


def switches(pid):
    """Context switches of all threads of a process that are there now, of their own will and not."""
    count = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{thread}/status", encoding="ascii", errors="replace") as file:
                count += sum(int(line.split()[1]) for line in file if "ctxt_switches:" in line)
        except (FileNotFoundError, ProcessLookupError):
            continue  # has ended since
    return count


def written_bytes(pid):
    """Bytes that a process has had written to a disk, or will have: past the page cache, or in pages that it made dirty (`write_bytes`).
    None where the kernel does not count them, or does not tell."""
    try:
        with open(f"/proc/{pid}/io", encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("write_bytes:"))
    except OSError:
        return None


def machine_busy_seconds():
    """Processor time that anyone on this machine has used: user, nice, system, irq, softirq, steal."""
    with open("/proc/stat", encoding="ascii") as file:
        fields = [int(f) for f in file.readline().split()[1:9]]
    return sum(fields[i] for i in (0, 1, 2, 5, 6, 7)) / TICK


def own_seconds():
    """Processor time of this runner and of the clients that it has waited for."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


class Servers:
    """The server processes of one cluster and their directory, which goes with them."""

    def __init__(self, parent, name):
        os.makedirs(parent, exist_ok=True)
        self.directory = tempfile.mkdtemp(prefix=f"{name}.", dir=parent)
        self.processes = []
        self.kills = False  # end the servers without asking

    def start(self, arguments, log, environment=None):
        with open(os.path.join(self.directory, log), "wb") as out:
            self.processes.append(subprocess.Popen(
                arguments, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                env=environment, preexec_fn=die_with_parent))

    def check_alive(self):
        for process in self.processes:
            if process.poll() is not None:
                raise Failure(f"{process.args[0]} (process {process.pid}) ended with status {process.returncode}:\n{self.last_words()}")

    def last_words(self, lines=8):
        text = ""
        for name in sorted(os.listdir(self.directory)):
            if name.endswith(".log"):
                with open(os.path.join(self.directory, name), encoding="utf-8", errors="replace") as file:
                    text += "".join(f"  {name}: {line}" for line in file.readlines()[-lines:])
        return text or "  (it printed nothing)"

    def cpu_seconds(self):
        self.check_alive()
        return sum(cpu_seconds(process.pid) for process in self.processes)

    def switches(self):
        return sum(switches(process.pid) for process in self.processes)

    def written_bytes(self):
        each = [written_bytes(process.pid) for process in self.processes]
        return None if None in each else sum(each)

    def resident_bytes(self):
        """The most that each has had, together."""
        return sum(resident_bytes(process.pid, "VmHWM") for process in self.processes)

    def stop(self):
        """Ends every process and removes the directory."""
        self.end()
        shutil.rmtree(self.directory)

    def end(self):
        """Asks every process to end, kills what stays."""
        for process in self.processes:
            if process.poll() is None:
                process.kill() if self.kills else process.terminate()
        end = time.monotonic() + STOP_SECONDS
        for process in self.processes:
            try:
                process.wait(max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes = []


class ClientProcess:
    """A publisher or subscriber: `ready` on standard error (subscriber), one JSON line on standard output."""

    def __init__(self, arguments):
        self.arguments = arguments
        self.process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, preexec_fn=die_with_parent)
        self.errors = b""

    def await_ready(self, seconds):
        end = time.monotonic() + seconds
        descriptor = self.process.stderr.fileno()
        while b"ready\n" not in self.errors:
            readable, _, _ = select.select([descriptor], [], [], max(0.0, end - time.monotonic()))
            got = os.read(descriptor, 4096) if readable else b""
            if not got:
                self.end()
                raise Failure(f"{self.name()} did not say 'ready' within {seconds:g} s: {self.text()}")
            self.errors += got

    def finish(self, seconds):
        """Exit status and standard output."""
        try:
            out, errors = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.end()
            raise Failure(f"{self.name()} did not finish within {seconds:g} s: {self.text()}") from None
        self.errors += errors
        return self.process.returncode, out.decode("utf-8", "replace")

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def name(self):
        return " ".join(os.path.basename(a) for a in self.arguments[:2])

    def text(self):
        return self.errors.decode("utf-8", "replace").strip() or "(no message)"
