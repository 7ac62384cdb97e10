"""How far the default edition's results move with seed and threads: writes the ranges.

    python tests/bench/spread.py --seeds 1,2,3 --threads 2,1 --out benchmark/results/expected.yaml

Run it in a clone whose `dvc repro` is done. Each run trains every experiment anew from the same
data: minutes on two cores. Threads split sums in another way, as another processor does; the first
seed is trained on each number of threads, the others on the last number.
"""

from __future__ import annotations

import csv
import platform
import signal
import subprocess
import sys
from pathlib import Path

import click
from ruamel.yaml import YAML

from benchmark.editions.edition import read_edition
from benchmark.params.params import read_params
from benchmark.presets.edit import read_document, write_document
from benchmark.runtime.parallel import usable_cores

TABLE, PARAMS = Path("reports/table/table.csv"), Path("params.yaml")


def top1() -> dict[str, float]:
    """Top-1 on test of every row."""
    with TABLE.open(newline="") as file:
        return {r["name"]: float(r["top1"]) for r in csv.DictReader(file) if r["split"] == "test"}


def run(seed: int, threads: int) -> dict[str, float]:
    """Train everything with one seed on so many threads."""
    document = read_document(PARAMS)
    document["seed"] = seed
    for recipe in document["recipes"].values():
        recipe["threads"] = threads
    write_document(document, PARAMS)
    jobs = max(1, usable_cores() // threads)
    subprocess.run(["mgbench", "run", "-j", str(jobs), "table"], check=True, stdout=sys.stderr)
    return top1()


@click.command()
@click.option("--seeds", default="1,2,3", show_default=True)
@click.option("--threads", default="2,1", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), required=True)
def main(seeds: str, threads: str, out: Path) -> None:
    """Write least and largest top-1 of every row over all seeds and threads."""
    # Whatever ends this, params.yaml comes back.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    before = PARAMS.read_text("utf-8")
    (first, *rest), counts = map(int, seeds.split(",")), [int(n) for n in threads.split(",")]
    pairs = [(first, count) for count in counts] + [(seed, counts[-1]) for seed in rest]
    try:
        runs = [run(seed, count) for seed, count in pairs]
    finally:
        PARAMS.write_text(before, "utf-8")
    edition = read_edition(read_params(PARAMS).table.edition)
    more = "".join(f", seed {first} also with {count}" for count in counts[:-1])
    words = f"seeds {seeds} with threads {counts[-1]}{more}; {platform.machine()}"
    rows = {
        name: [round(min(r[name] for r in runs), 6), round(max(r[name] for r in runs), 6)]
        for name in runs[0]
    }
    with out.open("w", encoding="utf-8") as file:
        told = {"edition": edition.name, "version": edition.version, "runs": words, "rows": rows}
        YAML().dump(told, file)
    for name, (low, high) in rows.items():
        click.echo(f"{name:<24} {100 * low:6.2f} to {100 * high:6.2f} %")


if __name__ == "__main__":
    main()
