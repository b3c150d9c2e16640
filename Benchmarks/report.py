"""Medians of samples, set out for people: an aligned table and the same as Markdown."""

import statistics

# How often a record crosses loopback TCP, publisher at node 1, subscriber at node 2 of 3:
# publisher to 1, 1 to 2, 1 to 3 (with replicas), 2 to subscriber. Core NATS leaves node 3 out.
CROSSINGS = {"replicated": 4, "core": 3}
COPIES_ON_DISK = 3  # all three nodes write to this machine's one disk
SYNC_BLOCK = 2**20  # bytes a sync of the figure `sync_1m`: larger ones gain little


def median(samples, key):
    values = [s[key] for s in samples if s.get(key) is not None]
    return statistics.median(values) if values else None


def spread(samples, key):
    """Half the distance from least to most, as a part of the median."""
    values = [s[key] for s in samples]
    return (max(values) - min(values)) / 2 / statistics.median(values)


def limit(limits, size, durable):
    """Records a second that the machine's own limits allow, and the name of the one that binds."""
    crossings = CROSSINGS["replicated" if durable else "core"]
    bounds = {"tcp": limits["tcp_stream"]["median"] / (crossings * size)}
    if durable:
        bounds["disk"] = limits["sync_1m"]["median"] * SYNC_BLOCK / (COPIES_ON_DISK * size)
    name = min(bounds, key=bounds.get)
    return bounds[name], name


def summary(system, samples, limits, size, durable):
    bound, name = limit(limits, size, durable)
    rate = median(samples, "records_per_second")
    return {
        "system": system.name, "label": system.label, "promise": system.promise, "size": size, "samples": len(samples),
        "records": samples[0]["records"], "records_per_second": rate, "spread": spread(samples, "records_per_second"),
        "cpu_per_million": median(samples, "cpu_per_million"),
        "acknowledge_p50_us": median(samples, "acknowledge_p50_us"), "deliver_p50_us": median(samples, "deliver_p50_us"),
        "limit_records_per_second": bound, "limit": name, "of_limit": rate / bound,
        "foreign_cores": median(samples, "foreign_cores"), "lost": sum(s["lost"] for s in samples),
    }


def number(value):
    if value is None:
        return "–"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def percent(value):
    return f"{value:.1%}" if value >= 0.001 else "<0.1%"


def rate(one):
    return f"{number(one['records_per_second'])} ±{one['spread']:.0%}"


def milliseconds(value):
    return "–" if value is None else number(value / 1000)


HEADINGS = ["workload", "ours rec/s", "peer", "peer rec/s", "ours ÷ peer", "ours of limit", "peer of limit",
            "cpu s/M ours", "cpu s/M peer", "deliver p50 ms ours", "peer"]
TEXT_COLUMNS = (0, 2)


def rows(size, ours, peers):
    """One row for each peer beside the same figure of ours; `ours` or a peer may be a text: why it did not run."""
    mine = ours if isinstance(ours, dict) else None
    for peer in peers:
        theirs = peer if isinstance(peer, dict) else None
        yield [
            f"{size} B durable",
            rate(mine) if mine else ours,
            theirs["label"] if theirs else peer[0],
            rate(theirs) if theirs else peer[1],
            number(mine["records_per_second"] / theirs["records_per_second"]) + "×" if mine and theirs else "–",
            f"{percent(mine['of_limit'])} {mine['limit']}" if mine else "–",
            f"{percent(theirs['of_limit'])} {theirs['limit']}" if theirs else "–",
            number(mine["cpu_per_million"]) if mine else "–",
            number(theirs["cpu_per_million"]) if theirs else "–",
            milliseconds(mine["deliver_p50_us"]) if mine else "–",
            milliseconds(theirs["deliver_p50_us"]) if theirs else "–",
        ]


def table(lines, headings=None, text_columns=TEXT_COLUMNS):
    lines = [headings or HEADINGS] + list(lines)
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join("  ".join(cell.ljust(w) if i in text_columns else cell.rjust(w)
                               for i, (cell, w) in enumerate(zip(line, widths))).rstrip() for line in lines)


def markdown_table(lines, headings=None, text_columns=TEXT_COLUMNS):
    headings = headings or HEADINGS
    rule = ["---" if i in text_columns else "--:" for i in range(len(headings))]
    return "\n".join("| " + " | ".join(line) + " |" for line in [headings, rule, *lines])


def limit_rows(limits):
    for figure in limits.values():
        large = figure["unit"] == "bytes/s"
        value = figure["median"] / 1e6 if large else figure["median"]
        low, high = (f(figure["samples"]) / (1e6 if large else 1) for f in (min, max))
        yield [figure["figure"], f"{number(value)} {'MB/s' if large else figure['unit']}", f"{number(low)} – {number(high)}", figure["how"]]


LIMIT_HEADINGS = ["limit", "median", "range", "how"]
LIMIT_TEXT = (0, 3)


def promises(systems):
    return [f"{one['label']}: an acknowledgement means {one['promise']}." for one in systems]


def arithmetic(limits, size):
    tcp, syncs = limits["tcp_stream"]["median"], limits["sync_1m"]["median"]
    return [
        "records/s = records ÷ (first publish until the last record is both acknowledged and received); ± is half the range of the runs.",
        "cpu s/M = user + system of the three brokers together (/proc/PID/stat), for a million records; clients not counted.",
        f"limit tcp = {number(tcp / 1e6)} MB/s ÷ ({CROSSINGS['replicated']} crossings × {size} B) = "
        f"{number(tcp / (CROSSINGS['replicated'] * size))} rec/s ({CROSSINGS['core']} crossings without replicas).",
        f"limit disk = {number(syncs)} syncs/s × 1 MiB ÷ ({COPIES_ON_DISK} copies × {size} B) = "
        f"{number(syncs * SYNC_BLOCK / (COPIES_ON_DISK * size))} rec/s. The lower of the two is the limit.",
        "deliver p50 = from the publisher's call to the subscriber's, at full load, so mostly waiting in queues.",
    ]
