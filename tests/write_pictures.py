"""Make the pictures of README and docs from a finished run: python tests/write_pictures.py DIR.

Needs Chromium for the view of MLflow.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import av
import numpy as np
from PIL import Image

from benchmark.core.pinned_file import sha256
from benchmark.core.resize import rescaled
from benchmark.core.video import read_frames
from browser import CHROMIUM
from servers import free_port, wait_until_healthy

DOCS = Path(__file__).parents[1] / "docs"
PICTURES, RESULTS = DOCS / "pictures", DOCS / "results.md"
SOURCES = PICTURES / "sources.json"
SHEET, SECONDS, FPS, WIDTH = "03.png", 5, 5, 300
"""Class of the sheet of modalities; length, rate and width of the clip."""


def main(project: Path) -> None:
    """Write all pictures, and what they were made from."""
    PICTURES.mkdir(exist_ok=True)
    shutil.copy(project / "reports/table/pictures/test.png", PICTURES / "results.png")
    small(project / f"reports/modalities/mimic/{SHEET}", PICTURES / "modalities.png", 1000)
    with tempfile.TemporaryDirectory() as folder:
        clip(project, Path(folder))
    mlflow(project)
    SOURCES.write_text(json.dumps({"results.md": sha256(RESULTS)}) + "\n", "utf-8")


def small(source: Path, out: Path, width: int) -> None:
    picture = Image.open(source).convert("RGB")
    height = round(picture.height * width / picture.width)
    picture.resize((width, height), Image.Resampling.LANCZOS).quantize(128).save(out, optimize=True)


def clip(project: Path, work: Path) -> None:
    """A generated person, and what the default's fusion sees: frames of annotated.mp4."""
    subprocess.run([sys.executable, "-m", "benchmark.synthetic.demo", "--out", work], check=True)
    predict = ["mgbench", "predict", work / "talk.mp4", "--skeleton", work / "talk.npy"]
    predict += ["--window", "1.2", "--step", "0.3", "--out", work / "seen"]
    subprocess.run(predict, cwd=project, check=True)
    path = work / "seen/annotated.mp4"
    with av.open(str(path)) as container:
        rate = float(container.streams.video[0].average_rate or 12)
    frames = [
        Image.fromarray(np.asarray(rescaled(frame, WIDTH / frame.shape[1], 3))).quantize(64)
        for k, frame in enumerate(read_frames(path))
        if k % round(rate / FPS) == 0 and k < rate * SECONDS
    ]
    frames[0].save(
        PICTURES / "clip.gif", save_all=True, append_images=frames[1:], duration=1000 // FPS,
        loop=0, optimize=True,
    )  # fmt: skip


def mlflow(project: Path) -> None:
    """The rows of the table, as MLflow shows them."""
    assert CHROMIUM, "needs Chromium"
    port = free_port()
    words = ["mgbench", "ui", "--port", str(port)]
    ui = subprocess.Popen(words, cwd=project, stdout=subprocess.PIPE, text=True)
    try:
        assert ui.stdout is not None
        link = next(line for line in ui.stdout if "results table: " in line).split(": ", 1)[1]
        wait_until_healthy(port)
        out = PICTURES / "mlflow.png"
        shot = [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        shot += ["--window-size=1500,900", "--virtual-time-budget=30000", f"--screenshot={out}"]
        subprocess.run([*shot, link.strip()], check=True, stderr=subprocess.DEVNULL)
        # Without the panel of MLflow's assistant at the right, and the path on this machine.
        shown = Image.open(out).convert("RGB").crop((0, 0, 1120, 900))
        shown.paste((255, 255, 255), (445, 166, 1085, 196))
        shown.save(out)
        small(out, out, 1000)
    finally:
        ui.terminate()
        ui.wait()


if __name__ == "__main__":
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    main(Path(sys.argv[1]).resolve())
