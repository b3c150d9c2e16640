"""Ten subscribers beside one: what they leave of the publisher's rate."""

import json

from processes import ClientProcess, Failure
from report import median
from sample import measure

VARIANTS = ("one", "ten")
SIZE = 100
LOOK_RECORDS = 500_000
ROUND_SECONDS = 4.0
SUBSCRIBERS = {"one": 1, "ten": 10}

RATE_BAR = 0.5  # of the rate with one subscriber

HEADINGS = ["three nodes, durable, 100 B", "published/s", "of one's", "delivered/s in all", "cpu s/M", "deliver p50 ms"]


def run_once(system, variant, records):
    """One fresh cluster; the measured subscriber at one node, the further ones at all in turn."""
    further = []
    try:
        system.start()
        for index in range(SUBSCRIBERS[variant] - 1):
            arguments = system.subscriber("run", records)
            arguments[arguments.index("--broker") + 1] = f"127.0.0.1:{system.ports[index % len(system.ports)]}"
            further.append(ClientProcess(arguments))
        for one in further:
            one.await_ready(20)
        sample = measure(system, "run", records, SIZE)
        sample["variant"] = variant
        for one in further:
            status, out = one.finish(60)
            if not out.strip():
                raise Failure(f"a subscriber printed no figure (status {status}): {one.text()}")
            figure = json.loads(out.splitlines()[-1])
            sample["whole"] = sample["whole"] and status == 0
            sample["lost"] += figure["lost"]
        sample["delivered_per_second"] = sample["records_per_second"] * SUBSCRIBERS[variant]
        return sample
    finally:
        for one in further:
            one.end()
        system.stop()


def remark(one):
    return f"published {one['acknowledged_per_second']:,.0f}/s"


def rows(samples):
    base = median(samples["one"], "acknowledged_per_second")
    for variant, kept in samples.items():
        rate = median(kept, "acknowledged_per_second")
        yield [f"{SUBSCRIBERS[variant]} subscriber{'s' if SUBSCRIBERS[variant] > 1 else ''}", f"{rate:,.0f}", f"{rate / base:.1%}",
               f"{median(kept, 'delivered_per_second'):,.0f}", f"{median(kept, 'cpu_per_million'):.2f}",
               f"{median(kept, 'deliver_p50_us') / 1000:.1f}"]


def verdicts(samples):
    """Each bar as (text, held)."""
    share = median(samples["ten"], "acknowledged_per_second") / median(samples["one"], "acknowledged_per_second")
    yield f"with ten subscribers the publisher keeps {share:.1%} of its rate with one (bar: {RATE_BAR:.0%})", share >= RATE_BAR
