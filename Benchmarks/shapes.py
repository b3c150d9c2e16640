"""Other clusters and loads than the usual one: one and five nodes, three publishers, topics of each level."""

from processes import ClientProcess, Failure
from report import median
from sample import measure

# What differs from three nodes, durable topics, one publisher and one subscriber.
SHAPES = {
    "usual": {},
    "1 node": {"nodes": 1},
    "5 nodes": {"nodes": 5},
    "3 pubs": {"publishers": 3},
    "ordered": {"level": "ordered"},
    "unordered": {"level": "unordered"},
}
VARIANTS = tuple(SHAPES)
SIZE = 100
LOOK_RECORDS = 500_000
ROUND_SECONDS = 3.0

LESS_BAR = 0.9  # of the next level's rate

HEADINGS = ["100 B", "published/s in all", "received/s", "cpu s/M", "acknowledge p50 ms", "deliver p50 ms", "not received"]
NAMES = {"usual": "3 nodes, durable", "1 node": "1 node, durable", "5 nodes": "5 nodes, durable", "3 pubs": "3 nodes, durable, 3 publishers",
         "ordered": "3 nodes, ordered", "unordered": "3 nodes, unordered"}


def run_once(system, variant, records):
    """One fresh cluster; further publishers each at a node of its own, with a topic of its own that nobody reads."""
    shape = SHAPES[variant]
    system.nodes = shape.get("nodes", 3)
    system.level = shape.get("level", "durable")
    others = []
    try:
        system.start()
        for index in range(1, shape.get("publishers", 1)):
            words = system.publisher(f"other{index}", records, SIZE)
            words[words.index("--broker") + 1] = f"127.0.0.1:{system.ports[index]}"
            others.append(ClientProcess(words))
        sample = measure(system, "run", records, SIZE)
        for other in others:
            status, _ = other.finish(60)
            if status != 0:
                raise Failure(f"{other.name()} ended with {status}: {other.text()}")
        count = len(others) + 1
        sample["variant"] = variant
        # They send as many records each, at the same time.
        sample["published_per_second"] = sample["acknowledged_per_second"] * count
        sample["cpu_per_million"] /= count
        # Of an unordered topic a slow reader misses some, which is its promise.
        sample["missed"] = sample["lost"] / records
        sample["whole"] = sample["whole"] or system.level == "unordered"
        return sample
    finally:
        for other in others:
            other.end()
        system.stop()
        system.nodes, system.level = 3, "durable"


def remark(one):
    return f"published {one['published_per_second']:,.0f}/s, {one['missed']:.1%} not received"


def rows(samples):
    for variant, kept in samples.items():
        yield [NAMES[variant], f"{median(kept, 'published_per_second'):,.0f}", f"{median(kept, 'records_per_second'):,.0f}",
               f"{median(kept, 'cpu_per_million'):.2f}", f"{median(kept, 'acknowledge_p50_us') / 1000:.1f}",
               f"{median(kept, 'deliver_p50_us') / 1000:.1f}", f"{median(kept, 'missed'):.1%}"]


def verdicts(samples):
    """What promises less is to cost less. The other shapes have no bars: what is asked of the usual one is asked elsewhere."""
    for less, more in (("ordered", "usual"), ("unordered", "ordered")):
        share = median(samples[less], "published_per_second") / median(samples[more], "published_per_second")
        yield f"{NAMES[less]}: {share:.2f} × the rate of {NAMES[more]} (bar: {LESS_BAR})", share >= LESS_BAR
