"""One measured run of one system: a subscriber, a publisher, and the brokers' processor time between."""

import json
import time

from processes import ClientProcess, Failure, machine_busy_seconds, own_seconds

READY_SECONDS = 20
RUN_SECONDS = 180


def _line(client, status, out, system):
    lines = [line for line in out.splitlines() if line.startswith("{")]
    if not lines:
        raise Failure(f"{client.name()} printed no figure (status {status}): {client.text()}\n{system.servers.last_words()}")
    return json.loads(lines[-1])


def measure(system, topic, records, size, rate=0):
    """Runs `records` records through a system that is ready; returns the sample as a dictionary.
    With a rate the publisher sends so many a second, else as many as the system takes.

    seconds = from the first publish until the last record is both acknowledged and received.
    broker_cpu_seconds = user + system of all brokers from before the publisher starts until after both clients ended.
    """
    system.prepare(topic)
    subscriber = ClientProcess(system.subscriber(topic, records))
    publisher = None
    try:
        subscriber.await_ready(READY_SECONDS)
        written = system.servers.written_bytes()
        cpu, switches, busy, own, wall = system.servers.cpu_seconds(), system.servers.switches(), machine_busy_seconds(), own_seconds(), time.monotonic()
        publisher = ClientProcess(system.publisher(topic, records, size, rate))
        pub_status, pub_out = publisher.finish(RUN_SECONDS)
        sub_status, sub_out = subscriber.finish(RUN_SECONDS)
        cpu = system.servers.cpu_seconds() - cpu
        switches = system.servers.switches() - switches
        written_after = system.servers.written_bytes()
        own = own_seconds() - own
        wall = time.monotonic() - wall
        busy = machine_busy_seconds() - busy
    finally:
        subscriber.end()
        if publisher is not None:
            publisher.end()

    pub, sub = _line(publisher, pub_status, pub_out, system), _line(subscriber, sub_status, sub_out, system)
    if "finished_ns" in pub and "finished_ns" in sub:
        seconds = (max(pub["finished_ns"], sub["finished_ns"]) - pub["started_ns"]) / 1e9
    else:
        seconds = max(pub["seconds"], sub["seconds"])
    lost = max(pub.get("lost", records - pub["records"]), sub.get("lost", records - sub["records"]))
    system.forget(topic)
    return {
        "system": system.name, "records": records, "size": size,
        "seconds": seconds, "records_per_second": (records - lost) / seconds,
        "acknowledged_per_second": pub["records_per_second"],
        "broker_cpu_seconds": cpu, "cpu_per_million": cpu / records * 1e6,
        "switches_per_thousand": max(0, switches) / records * 1e3, "resident_bytes": system.servers.resident_bytes(),
        "written_per_record": None if None in (written, written_after) else (written_after - written) / records, "client_cpu_seconds": own, "foreign_cores": max(0.0, (busy - cpu - own) / wall),
        "lost": lost, "duplicates": sub.get("duplicates", 0),
        "whole": pub_status == 0 and sub_status == 0 and lost == 0,
        "rate": rate,
        **{f"{what}_{share}_us": side.get(f"{share}_us")
           for what, side in (("acknowledge", pub), ("deliver", sub)) for share in ("p50", "p99", "p999")},
        "messages": [text for text in (c.errors.decode("utf-8", "replace").replace("ready\n", "").strip()
                                       for c in (publisher, subscriber)) if text],
    }
