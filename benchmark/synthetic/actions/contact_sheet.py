"""Draw pictures to judge actions by eye: python -m benchmark.synthetic.actions.contact_sheet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import cv2
import numpy as np

from benchmark.synthetic.actions.action import Action
from benchmark.synthetic.actions.film_clip import ClipFilm
from benchmark.synthetic.actions.plan import Clip
from benchmark.synthetic.spec import NUM_BODIES, ActionsSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LEAD, _LENGTH, _COLUMNS, _ROWS = 5, 46, 6, 4


@click.command()
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for the PNGs.")
@click.option("--seed", default=0, show_default=True, help="Another seed, other people.")
@click.option("--only", default="", help="Class indices, comma separated; all if empty.")
@click.option("--width", default=192, show_default=True, help="Frame width in pixels.")
@click.option("--height", default=256, show_default=True, help="Frame height in pixels.")
def contact_sheet(out: Path, seed: int, only: str, width: int, height: int) -> None:
    """Write a row of frames for each action, four rows per page."""
    out.mkdir(parents=True, exist_ok=True)
    spec = ActionsSpec(
        seed=seed, train_clips=1, val_clips=1, test_clips=1, train_people=1, val_people=1,
        test_people=1, width=width, height=height, fps=30,
        crf=23,
    )  # fmt: skip
    chosen = [Action(int(k)) for k in only.split(",")] if only else list(Action)
    rows = [_row(spec, action) for action in chosen]
    for page in range(0, len(rows), _ROWS):
        sheet = np.concatenate(rows[page : page + _ROWS])
        path = out / f"actions-{page // _ROWS:02d}.png"
        cv2.imwrite(str(path), np.ascontiguousarray(sheet[:, :, ::-1]))
    click.echo(f"{out}: {len(rows)} actions")


def _row(spec: ActionsSpec, action: Action) -> NDArray:
    """Draw frames of one clip from its first to its last."""
    identity = (17 * int(action) + 31 * spec.seed) % NUM_BODIES
    clip = Clip("train", int(action), identity, action, _LEAD, _LENGTH, _LENGTH + 2 * _LEAD)
    at = set(np.linspace(1, clip.num_frames - 3, _COLUMNS).astype(int).tolist())
    frames = ClipFilm(spec, clip).frames()
    row = np.concatenate([rgb.copy() for t, rgb in enumerate(frames) if t in at], 1)
    name = f"{int(action)} {action.title}"
    cv2.putText(row, name, (6, 17), 0, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    cv2.putText(row, name, (5, 16), 0, 0.5, (255, 255, 0), 1, cv2.LINE_AA)
    return row


if __name__ == "__main__":
    contact_sheet()
