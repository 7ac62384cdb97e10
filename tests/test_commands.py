"""Every command in the docs runs as written, in a project after its `dvc repro`."""

from __future__ import annotations

import pickle
import re
import shlex
import shutil
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmark.challenges.challenge import published_ids, read_challenge
from benchmark.contracts.clips import read_clips
from benchmark.contracts.predictions import read_probabilities
from benchmark.core.video import read_frames
from benchmark.editions.edition import read_edition
from benchmark.inference.any_video import read_points
from conftest import REPO
from tiny_project import command, copied

pytestmark = pytest.mark.slow

IDS_2025 = published_ids(read_challenge("miga2025"))
PAGES = [
    *(REPO / name for name in ("README.md", "CONTRIBUTING.md")),
    *(page for page in sorted((REPO / "docs").rglob("*.md")) if page.name != "three-videos.md"),
]
"""All but the page that tests/test_walks.py runs from its first command to its last."""
ELSEWHERE = {
    "make reproduce": "the fixture `done` is what it leaves",
    "make demo": "tests/test_real_people.py predicts with the zoo",
    "make test": "this is it",
    "mgbench preset use zoo": "hours; tests/test_zoo.py ships a network",
    "mgbench zoo depth": "minutes of training; tests/test_tiny_depth.py trains a smaller one",
    "mgbench zoo ship": "tests/test_zoo.py",
    "make ui": "tests/test_mlflow_page.py",
    "make campaign": "an hour; tests/test_campaign.py runs some tries",
    "python -m tests.campaign": "minutes; tests/test_campaign.py runs some tries",
    "mlflow ui": "serves until it is stopped",
    "dvc exp run": "minutes; tests/test_end_to_end.py tries a quicker setting",
    "mgbench edition new own": "tests/test_own_clips.py",
    "mgbench data check own": "tests/test_own_clips.py",
    "mgbench edition import talks": "tests/test_annotations.py",
    "mgbench preset use own": "tests/test_own_clips.py",
    "mgbench data check imigue": "needs the archives; tests/test_imigue.py makes small ones",
    "mgbench edition folds mimic": "tests/test_fold_networks.py has a project of folds",
    "mgbench run -j 2 join_folds": "tests/test_fold_networks.py",
    "mgbench best": "tests/test_best.py",
    "mgbench scores online": "tests/test_sequence_files.py",
    "mgbench submit online": "tests/test_sequence_files.py",
    "mgbench plan --gpu-memory": "tests/test_on_paper.py",
    "torchrun": "tests/test_processes.py",
    "pip install": "needs a network",
    "python tests/bench/": "minutes each, on a machine that does nothing else",
    "python -m benchmark.synthetic.bench": "a benchmark",
    "python -m benchmark.synthetic.contact_sheet": "a minute of drawing",
    "python -m benchmark.synthetic.actions.contact_sheet": "a minute of drawing",
}
"""Commands that this test does not run, and why."""
BRIEFLY = {"mgbench profile joint": ["--seconds", "1"]}
"""Options that shorten a command here."""


def written() -> list[str]:
    """List each command in the docs once, in order, without its comment."""
    blocks = [
        block
        for page in PAGES
        for block in re.findall(r"^ *```bash\n(.*?)```", page.read_text("utf-8"), re.S | re.M)
    ]
    lines = [line.split("  #")[0].strip() for block in blocks for line in block.splitlines()]
    commands = [one for line in lines if line for one in line.split(" && ")]
    return list(dict.fromkeys(commands))


def elsewhere(written: str) -> bool:
    return written.startswith(tuple(ELSEWHERE))


def dump(path: Path, scores: list[object]) -> None:
    content = [{"pred_score": score, "gt_label": row % 32} for row, score in enumerate(scores)]
    path.write_bytes(pickle.dumps(content))


@pytest.fixture
def at_hand(finished: Path, tmp_path: Path) -> Path:
    """A finished project with the files that the pages name; others copy the one that is read."""
    root = copied(finished, tmp_path / "p")
    raw = root / "data/raw/mimic"
    video = min((raw / "imigue_rgb_phase2").rglob("*.mp4"))
    sheet = next(raw.rglob(f"{video.stem}_openpose.xlsx"))
    for name in ("talk.mp4", "a.mp4", "clip.mp4"):
        shutil.copy(video, root / name)
    shutil.copy(sheet, root / "clip_openpose.xlsx")
    np.save(root / "talk.npy", read_points(sheet))
    first, *more = (Image.fromarray(frame) for frame in islice(read_frames(video), 60))
    first.save(root / "talk.gif", save_all=True, append_images=more, duration=80)
    p = np.random.default_rng(0).dirichlet(np.ones(32), len(IDS_2025)).astype(np.float32)
    dump(root / "dump.pkl", list(p[:9]))
    dump(root / "result.pkl", list(p))
    dump(root / "two_heads.pkl", [{"rgb": row, "pose": row[::-1].copy()} for row in p])
    lines = [f"{clip},{row % 32}\n" for row, clip in enumerate(IDS_2025)]
    (root / "prediction.csv").write_text("Id,Target\n" + "".join(lines), "utf-8")
    (root / "submissions/before").mkdir()
    shutil.copy(root / "prediction.csv", root / "submissions/before")
    for name, member in (("a", "joint"), ("b", "rgb")):
        shutil.copy(
            root / f"predictions/experiments/{member}/val.parquet", root / f"{name}.parquet"
        )
    for split in ("val", "test"):
        own = f"predictions/experiments/joint/{split}.parquet"
        rows = [{"pred_score": p} for p in read_probabilities(root / own).p]
        (root / f"a_{split}.pkl").write_bytes(pickle.dumps(rows))
        other = root / f"predictions/experiments/rgb/{split}.parquet"
        shutil.copy(other, root / f"b_{split}.parquet")
    val = read_clips(root / "data/mimic/clips.parquet", read_edition("mimic")).split("val")
    labels = zip(val.ids, val.labels().tolist(), strict=True)
    text = "".join(f"{clip},{label}\n" for clip, label in labels)
    (root / "labels.csv").write_text("clip_id,label\n" + text, "utf-8")
    return root


def test_every_command_of_the_pages_runs(at_hand: Path) -> None:
    ids = read_clips(at_hand / "data/mimic/clips.parquet", read_edition("mimic")).ids
    faults = []
    for line in written():
        if not elsewhere(line):
            words = shlex.split(line.replace("0108_15", ids[0]))
            words += BRIEFLY.get(line, [])
            ended = command(at_hand, *words, check=False)
            if ended.returncode:
                faults.append(f"{line}\n{ended.stdout[-500:]}{ended.stderr[-1500:]}")
    assert not faults, "\n".join(faults)


def test_every_command_that_is_not_run_here_is_in_the_docs() -> None:
    unused = [start for start in ELSEWHERE if not any(one.startswith(start) for one in written())]
    assert unused == []
