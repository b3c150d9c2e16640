"""Writes a plan's result: the tables as Markdown and the charts beside it."""

import os

import conditions
import plot
import report


def block(size, found, lines, limits, notes):
    """The Markdown of one size of records."""
    parts = [f"## Records of {report.bytes_text(size)}", "", report.markdown_table(lines), ""]
    if any(one["paced"] for one in found):
        parts += ["At 1,000 records a second:", "",
                  report.markdown_table(list(report.latency_rows(found)), report.LATENCY_HEADINGS, report.LATENCY_TEXT), ""]
    halves = list(report.half_rows(found))
    if halves:
        parts += ["At half of its own full load:", "", report.markdown_table(halves, report.HALF_HEADINGS, report.LATENCY_TEXT), ""]
    parts += ["All brokers together, at full load:", "",
              report.markdown_table(list(report.use_rows(found)), report.USE_HEADINGS, report.LATENCY_TEXT), ""]
    return parts + [*(f"- {n}" for n in notes), "",
                    report.markdown_table(list(report.limit_rows(limits)), report.LIMIT_HEADINGS, report.LIMIT_TEXT), ""]


def charts(found_by_size):
    """(name, what it shows, SVG): one chart of rates and one of processor time, and latencies where they were measured."""
    sizes = list(found_by_size)
    if len(sizes) == 1:
        size, found = next(iter(found_by_size.items()))
        of = f"{report.bytes_text(size)} records"
        yield "rate", f"Records a second, {of}", plot.rows(
            f"Records a second, {of}", "records/s, logarithmic", [(one["label"], [one["records_per_second"]]) for one in found])
        yield "cpu", f"Brokers' processor time, {of}", plot.rows(
            f"Brokers' processor seconds for a million {of}", "s, logarithmic", [(one["label"], [one["cpu_per_million"]]) for one in found])
    else:
        labels = list(dict.fromkeys(one["label"] for found in found_by_size.values() for one in found))
        for name, key, title, unit in (("rate", "records_per_second", "Records a second by size", "records/s"),
                                       ("cpu", "cpu_per_million", "Brokers' processor seconds for a million records by size", "s")):
            series = [(label, [(size, one[key]) for size, found in found_by_size.items() for one in found
                               if one["label"] == label and one[key]]) for label in labels]
            yield name, title, plot.lines(title, unit + ", logarithmic", series, report.bytes_text)
    for size, found in found_by_size.items():
        for what, title in (("acknowledge", "Publish to acknowledge"), ("deliver", "Publish to subscriber")):
            entries = [(one["label"], [(one["paced"][f"{what}_{share}_us"] or 0) / 1000 for share in ("p50", "p99", "p999")])
                       for one in found if one["paced"]]
            if any(any(values) for _, values in entries):
                words = f"{title}, {report.bytes_text(size)} records, 1,000 a second"
                yield f"{what}-{size}", words, plot.rows(words, "ms, logarithmic", entries, ("p50", "p99", "p99.9"))


def write(path, name, blocks, found_by_size, where):
    """`path` is the Markdown's; charts go beside it as NAME-CHART.svg."""
    folder, stem = os.path.dirname(path), os.path.splitext(os.path.basename(path))[0]
    if folder:
        os.makedirs(folder, exist_ok=True)
    head = [f"# scripts/bench {name}", "",
            "One publisher, one subscriber; where there are three nodes, at two different ones. Written by the command below.", "",
            *(f"- {s}" for s in conditions.sentences(where)), ""]
    for chart, words, text in charts(found_by_size):
        file_name = f"{stem}-{chart}.svg"
        with open(os.path.join(folder, file_name), "w", encoding="utf-8") as file:
            file.write(text)
        head += [f"![{words}]({file_name})", ""]
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(head + blocks).rstrip() + "\n")
