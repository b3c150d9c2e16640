"""What three idle nodes cost: processor time over a window, and resident memory."""

import time

from processes import resident_bytes

WINDOW_SECONDS = 20
CORE_BAR = 0.005  # of one core, all three nodes together
MEMORY_BAR = 64 * 2**20  # bytes, each node

HEADINGS = ["idle", "window s", "cpu s of 3", "of one core", "VmRSS MiB each", "bars"]


def measure(system):
    """Starts the system, waits until it is ready, then watches it do nothing for the window."""
    try:
        system.start()
        before, start = system.servers.cpu_seconds(), time.monotonic()
        time.sleep(WINDOW_SECONDS)  # the window itself: nothing is awaited
        cpu, wall = system.servers.cpu_seconds() - before, time.monotonic() - start
        resident = [resident_bytes(p.pid) for p in system.servers.processes]
    finally:
        system.stop()
    return {"system": system.name, "label": system.label, "window_seconds": wall, "cpu_seconds": cpu,
            "cores": cpu / wall, "resident_bytes": resident, "core_bar": CORE_BAR, "memory_bar": MEMORY_BAR,
            "within_bars": cpu / wall < CORE_BAR and max(resident) < MEMORY_BAR}


def row(one):
    return [one["label"], f"{one['window_seconds']:.1f}", f"{one['cpu_seconds']:.2f}", f"{one['cores']:.2%}",
            " ".join(f"{b / 2**20:.1f}" for b in one["resident_bytes"]), "within" if one["within_bars"] else "OVER"]
