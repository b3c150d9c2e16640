"""Medians of samples, set out for people: an aligned table and the same as Markdown."""

import statistics

ORDERED = "squall-ordered"
LARGEST = 2**20 - 1024  # bytes of a record, at most: with what its head takes it is 1 MiB
FABRIC_LEAST = 10 * 2**10  # bytes: from there on ordered records are set beside libfabric's own stream
FABRIC_BARS = {"fabric_10k": 0.60, "fabric_1m": 0.70}
SYNC_BLOCK = 2**20  # bytes a sync of the figure `sync_1m`


def median(samples, key):
    values = [s[key] for s in samples if s.get(key) is not None]
    return statistics.median(values) if values else None


def spread(samples, key):
    """Half the distance from least to most, as a part of the median."""
    values = [s[key] for s in samples]
    return (max(values) - min(values)) / 2 / statistics.median(values)


def disk_bandwidth(limits):
    """Bytes a second, the better of two ways to write: a sync each 1 MiB, a sync each 64 MiB."""
    return max(limits["sync_1m"]["median"] * SYNC_BLOCK, limits["disk_stream"]["median"])


def limit(limits, size, system):
    """Records a second that the machine's own limits allow the system, and the name of the one that binds."""
    bounds = {"tcp": limits["tcp_stream"]["median"] / (system.crossings * size)}
    if system.copies:
        bounds["disk"] = disk_bandwidth(limits) / (system.copies * size)
    name = min(bounds, key=bounds.get)
    return bounds[name], name


def fabric_message(size):
    """Bytes of libfabric's messages that records of this size are set beside: the largest record is 1 MiB with its head."""
    return 2**20 if size == LARGEST else size


def name_of_size(what, size):
    """The figure of messages that records of this size are set beside, as figure.c names it."""
    message = fabric_message(size)
    for unit, letter in ((2**20, "m"), (2**10, "k")):
        if message % unit == 0:
            return f"{what}_{message // unit}{letter}"
    return f"{what}_{message}"


def beside_fabric(system, taken, limits, size):
    """What our ordered records move through sockets beside what one stream of libfabric carries; None where that was not measured."""
    name, chain = name_of_size("fabric", size), limits.get(name_of_size("kept", size))
    if system.name != ORDERED or name not in limits:
        return None
    rate, stream = median(whole(taken), "records_per_second"), limits[name]["median"]
    moved = rate * size * system.crossings
    return {"figure": name, "stream": stream, "size": size, "records_per_second": rate, "crossings": system.crossings, "moved": moved,
            "of_fabric": moved / stream, "chain": chain and chain["median"], "of_chain": chain and moved / chain["median"], "bar": FABRIC_BARS.get(name), "runs": len(taken), "whole_runs": sum(s["whole"] for s in taken)}


def fabric_verdict(one):
    """(text, held); held is None for a size that has no bar."""
    bar = one["bar"]
    text = (f"{bytes_text(one['size'])} ordered: {one['of_fabric']:.1%} of fabric" + (f" (bar: {bar:.0%})" if bar else "")
            + f" = {number(one['records_per_second'])} records/s × {one['size']} B × {one['crossings']} crossings ÷ "
            f"{number(one['stream'] / 1e6)} MB/s of {one['figure']}"
            + (f"; {one['of_chain']:.1%} of what five bare processes pass on and keep" if one["chain"] else "") + ("" if one["whole_runs"] else "; every run lost records"))
    return text, None if bar is None else one["of_fabric"] >= bar and one["whole_runs"] > 0


def verdict(text, held):
    return {True: "within  ", False: "MISSED  ", None: "no bar  "}[held] + text


FABRIC_HEADINGS = ["three nodes, ordered", "records/s", "times a record crosses", "moved", "fabric", "range", "of fabric", "bare chain that keeps", "of chain", "runs that lost nothing"]


def fabric_row(one, limits):
    samples = limits[one["figure"]]["samples"]
    return [f"{bytes_text(one['size'])} records", number(one["records_per_second"]), str(one["crossings"]), f"{number(one['moved'] / 1e6)} MB/s",
            f"{number(one['stream'] / 1e6)} MB/s", f"{number(min(samples) / 1e6)} – {number(max(samples) / 1e6)}",
            f"{one['of_fabric']:.1%}", f"{number(one['chain'] / 1e6)} MB/s", f"{one['of_chain']:.1%}", f"{one['whole_runs']} of {one['runs']}"]


LATENCIES = [f"{what}_{share}_us" for what in ("acknowledge", "deliver") for share in ("p50", "p99", "p999")]


def whole(samples):
    """Those that lost nothing; all of them when there is none."""
    return [s for s in samples if s["whole"]] or samples


def summary(system, taken, paced, halves, limits, size):
    samples = whole(taken)
    bound, name = limit(limits, size, system)
    rate = median(samples, "records_per_second")
    return {
        "system": system.name, "label": system.label, "level": system.level, "promise": system.promise,
        "crossings": system.crossings, "copies": system.copies, "size": size, "samples": len(samples),
        "records": samples[0]["records"], "records_per_second": rate, "spread": spread(samples, "records_per_second"),
        "cpu_per_million": median(samples, "cpu_per_million"), "deliver_p50_us": median(samples, "deliver_p50_us"),
        "fabric": beside_fabric(system, taken, limits, size),
        "limit_records_per_second": bound, "limit": name, "of_limit": rate / bound,
        "foreign_cores": median(samples, "foreign_cores"), "none_whole": not any(s["whole"] for s in taken), "runs": len(taken) + len(paced) + len(halves), "lost": [s["lost"] for s in taken + paced + halves if not s["whole"]],
        "switches_per_thousand": median(samples, "switches_per_thousand"), "resident_bytes": median(samples, "resident_bytes"),
        "written_per_record": median(samples, "written_per_record"),
        "paced": {key: median(whole(paced), key) for key in LATENCIES} if paced else None,
        "half": {key: median(whole(halves), key) for key in (*LATENCIES, "rate", "records_per_second")} if halves else None,
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


def bytes_text(size):
    for unit, name in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        if size % unit == 0:
            return f"{size // unit} {name}"
    return f"{size} B"


HEADINGS = ["workload", "ours rec/s", "peer", "peer rec/s", "ours ÷ peer", "ours of limit", "peer of limit",
            "cpu s/M ours", "cpu s/M peer", "deliver p50 ms ours", "peer"]
TEXT_COLUMNS = (0, 2)


def rows(size, ours, peers, beside=None, slow=()):
    """One row for each peer beside ours with a promise of its kind, by level: a peer in `slow` beside what ours took in turns with it. A peer may be
    (label, level, why it did not run)."""
    for peer in peers:
        theirs = peer if isinstance(peer, dict) else None
        level = theirs["level"] if theirs else peer[1]
        own = beside if theirs and theirs["system"] in slow and beside else ours
        mine = own.get(level) or own.get("durable")
        yield [
            f"{bytes_text(size)} {mine['level'] if mine else level}",
            rate(mine) if mine else "–",
            theirs["label"] if theirs else peer[0],
            rate(theirs) if theirs else peer[2],
            number(mine["records_per_second"] / theirs["records_per_second"]) + "×" if mine and theirs else "–",
            f"{percent(mine['of_limit'])} {mine['limit']}" if mine else "–",
            f"{percent(theirs['of_limit'])} {theirs['limit']}" if theirs else "–",
            number(mine["cpu_per_million"]) if mine else "–",
            number(theirs["cpu_per_million"]) if theirs else "–",
            milliseconds(mine["deliver_p50_us"]) if mine else "–",
            milliseconds(theirs["deliver_p50_us"]) if theirs else "–",
        ]


LATENCY_HEADINGS = ["system", "acknowledge p50 ms", "p99", "p99.9", "deliver p50 ms", "p99", "p99.9"]
LATENCY_TEXT = (0,)


def latency_rows(found):
    for one in found:
        yield [one["label"], *(milliseconds(one["paced"][key]) if one["paced"] else "–" for key in LATENCIES)]


HALF_HEADINGS = ["system", "asked for", "got", *LATENCY_HEADINGS[1:]]


def half_rows(found):
    for one in found:
        if one["half"]:
            yield [one["label"], number(one["half"]["rate"]), number(one["half"]["records_per_second"]),
                   *(milliseconds(one["half"][key]) for key in LATENCIES)]


USE_HEADINGS = ["system", "cpu s/M", "context switches a thousand records", "resident MiB"]


def use_rows(found):
    """What all brokers of a system together used at full load."""
    for one in found:
        if one["switches_per_thousand"] is not None:
            yield [one["label"], number(one["cpu_per_million"]), number(one["switches_per_thousand"]), number(one["resident_bytes"] / 2**20)]


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


def promises(found):
    return [f"{one['label']}: an acknowledgement means {one['promise']}." for one in found]


def losses(found):
    """What the medians leave out: runs that lost records."""
    for one in found:
        if one["lost"]:
            records = " and ".join(f"{count:,}" for count in one["lost"])
            yield (f"{one['label']}: {len(one['lost'])} of {one['runs']} runs, which lost {records} records, "
                   + ("count all the same, there being no other." if one["none_whole"] else "do not count in the medians.")
                   + (" An ordered topic's records are kept in 16 MiB of memory: a subscriber further behind loses some."
                      if one["system"] == ORDERED else ""))


def arithmetic(limits, size, found):
    def each(key):
        return ", ".join(f"{one['label']} {one[key]}" for one in found)
    return [
        "records/s = records ÷ (first publish until the last record is both acknowledged and received); ± is half the range of the runs.",
        "cpu s/M = user + system of the brokers together (/proc/PID/stat), for a million records; clients not counted.",
        f"limit tcp = {number(limits['tcp_stream']['median'] / 1e6)} MB/s ÷ (times a record crosses loopback × {size} B); crossings: {each('crossings')}.",
        f"limit disk = {number(disk_bandwidth(limits) / 1e6)} MB/s ÷ (copies on this one disk × {size} B); copies: {each('copies')}. "
        "The lower of the two is the limit; overheads of records are left out.",
        "deliver p50 = from the publisher's call to the subscriber's, at full load, so mostly waiting in queues.",
    ]
