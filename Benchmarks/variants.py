"""A comparison of ours with itself: several variants of a run in turns, and bars for their ratios.

A variant's module says VARIANTS (the first is the base), LOOK_RECORDS, ROUND_SECONDS, HEADINGS and
run_once(system, variant, records), remark(one), rows(samples), verdicts(samples);
LEAST_ROUNDS where fewer than three rounds will do, RECORDS_LEAST where a run of fewer shows nothing.
"""

from processes import Failure


def run(module, system, rounds, say):
    """Interleaved rounds on fresh clusters; the samples by variant. A first look sets how many records make a run."""
    samples = {variant: [] for variant in module.VARIANTS}
    look = module.run_once(system, module.VARIANTS[0], module.LOOK_RECORDS)
    records = max(int(look["records_per_second"] * module.ROUND_SECONDS), getattr(module, "RECORDS_LEAST", 0))
    for number in range(1, rounds + 1):
        for variant, kept in samples.items():
            one = module.run_once(system, variant, records)
            if not one["whole"]:
                raise Failure(f"{variant}: {one['lost']} of {records} records lost; {one['messages']}")
            kept.append(one)
            say(f"  round {number}, {variant:8} {one['records_per_second']:>10,.0f} rec/s, {module.remark(one)}"
                + "".join("; " + m for m in one["messages"]))
    return samples
