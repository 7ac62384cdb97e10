"""Seconds of what a challenge team repeats all day: `python tests/bench/fusing.py`.

Ten streams of iMiGUE's size (777 clips of validation in 10 videos, 4,562 of test, 32 classes), each
step a new process, so that imports count. Peer of the fit: SciPy's SLSQP, without a proof.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import numpy as np

from benchmark.challenges.challenge import published_ids, read_challenge
from benchmark.contracts.predictions import Probabilities, write_probabilities
from benchmark.editions.edition import read_edition

STREAMS, VIDEOS, VAL = 10, 10, 777

FIT = """
import sys
from pathlib import Path
from benchmark.contracts.predictions import read_probabilities
from submission.fusion.rules.convex import Convex
from submission.fusion.temperature import fit_with_temperature
import click
import numpy as np
folder = Path(sys.argv[1])
members = [read_probabilities(folder / f"s{k}-val.parquet") for k in range(10)]
label = np.load(folder / "val.npy")
p = np.stack([m.p.astype(np.float64) for m in members])
names = [m.source for m in members]
found = fit_with_temperature(Convex(kind="convex", shrinkage=0.5), "none", names, p, label)
print(np.round(found.blend.weights, 3).tolist())
"""

SLSQP = """
import sys
from pathlib import Path
import click
import numpy as np
from scipy.optimize import minimize
from benchmark.contracts.predictions import read_probabilities
folder = Path(sys.argv[1])
members = [read_probabilities(folder / f"s{k}-val.parquet") for k in range(10)]
label = np.load(folder / "val.npy")
q = np.stack([m.p[np.arange(len(label)), label].astype(np.float64) for m in members])
found = minimize(lambda w: -np.log(np.maximum(w @ q, 1e-7)).mean(), np.full(10, 0.1),
                 method="SLSQP", bounds=[(0, 1)] * 10,
                 constraints={"type": "eq", "fun": lambda w: w.sum() - 1})
print(np.round(found.x, 3).tolist())
"""

SWEEP = """
import sys
from pathlib import Path
import click
import numpy as np
from benchmark.contracts.predictions import read_probabilities
from benchmark.results.entries import GroundTruth
from benchmark.results.subsets import score_subsets
folder = Path(sys.argv[1])
members, truths = {}, []
for split in ("val", "test"):
    members[split] = [read_probabilities(folder / f"s{k}-{split}.parquet") for k in range(10)]
    ids = members[split][0].clip_id
    label = np.load(folder / f"{split}.npy")
    truths.append(GroundTruth("imigue", split, ids, ids, label, label))
print(len(score_subsets(members, truths)))
"""


def make(folder: Path) -> None:
    """Streams that are right on about half of the clips, each on others."""
    edition = read_edition("imigue")
    rng = np.random.default_rng(0)
    test = tuple(published_ids(read_challenge("miga2025")) or ())
    val = tuple(f"{9000 + k % VIDEOS}_{k}" for k in range(VAL))
    for split, ids in (("val", val), ("test", test)):
        label = rng.integers(0, 32, len(ids))
        np.save(folder / f"{split}.npy", label)
        for stream in range(STREAMS):
            p = rng.dirichlet(np.full(32, 0.3), len(ids))
            p[np.arange(len(ids)), label] += rng.uniform(0, 0.5, len(ids))
            p /= p.sum(1, keepdims=True)
            write_probabilities(
                Probabilities(
                    "imigue", split, f"s{stream}", edition.classes, ids, p.astype(np.float32)
                ),
                folder / f"s{stream}-{split}.parquet",
            )


def seconds(name: str, command: list[str]) -> float:
    """Median of three processes."""
    found = []
    for _ in range(3):
        start = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found.append(time.perf_counter() - start)
    said = done.stdout.strip().splitlines()[0]
    click.echo(f"{name:<34} {np.median(found):6.2f} s   {said[:90]}")
    return float(np.median(found))


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder)
        python = [sys.executable, "-c"]
        mgbench = str(Path(sys.executable).with_name("mgbench"))
        write = [
            mgbench, "submit", "write", f"{folder}/s0-test.parquet", "--edition", "miga2025",
            "--out", f"{folder}/out",
        ]  # fmt: skip
        seconds("submission of 4,562 rows", write)
        ours = seconds("convex weights of 10 streams", [*python, FIT, name])
        peer = seconds("  SciPy's SLSQP, for comparison", [*python, SLSQP, name])
        click.echo(f"{'  ratio to it':<34} {peer / ours:6.2f}")
        seconds("1,023 subsets on 777 + 4,562 clips", [*python, SWEEP, name])


if __name__ == "__main__":
    main()
