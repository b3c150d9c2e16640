"""Where and under what a benchmark ran."""

import datetime
import os
import platform
import subprocess


def _first_line(path, prefix):
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith(prefix):
                return line.partition(":")[2].strip()
    return "unknown"


def _commit(root):
    def git(*words):
        return subprocess.run(["git", "-C", root, *words], capture_output=True, text=True, timeout=20, check=False).stdout.strip()
    commit = git("rev-parse", "--short", "HEAD") or "no commit"
    return commit + (" with changes" if git("status", "--porcelain", "--untracked-files=no") else "")


def _mount(directory):
    """Type and device of the file system that holds a directory: the longest mount point that is its prefix."""
    best = ("", "unknown", "unknown")
    real = os.path.realpath(directory)
    with open("/proc/mounts", encoding="utf-8") as file:
        for line in file:
            device, point, kind = line.split()[:3]
            inside = point == "/" or real == point or real.startswith(point + "/")
            if inside and len(point) >= len(best[0]):
                best = (point, kind, device)
    return f"{best[1]} on {best[2]}"


def gather(root, temporary, command, versions):
    return {
        "at": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "command": command, "commit": _commit(root),
        "processor": _first_line("/proc/cpuinfo", "model name"), "cores": os.cpu_count(),
        "memory_gib": round(int(_first_line("/proc/meminfo", "MemTotal").split()[0]) / 2**20, 1),
        "kernel": platform.release(), "file_system": _mount(temporary),
        "load_average_before": os.getloadavg()[0], "versions": versions,
    }


def sentences(c):
    return [
        f"{c['at']}, commit {c['commit']}: {c['command']}",
        f"{c['processor']}, {c['cores']} cores, {c['memory_gib']:g} GiB, Linux {c['kernel']}, {c['file_system']}; all processes on this machine, loopback.",
        f"{'; '.join(c['versions'])}. Load average before: {c['load_average_before']:.2f}.",
    ]
