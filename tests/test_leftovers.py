"""What a kill or a power cut leaves: the next run removes it or recovers, and says so."""

from __future__ import annotations

import errno
import logging
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch

from benchmark import doctor
from benchmark.core.errors import FormatError
from benchmark.core.files import replacing, replacing_folder, write_text
from benchmark.modalities import shards
from benchmark.synthetic.work_folder import claim_work
from benchmark.training.checkpoint import Checkpoints, Progress
from conftest import REPO

WRITER = """
import sys, time
from pathlib import Path
from benchmark.core.files import replacing, replacing_folder
with replacing_folder(Path("pictures")) as folder, replacing(Path("table.csv")) as file:
    (folder / "a.png").touch(); file.touch(); print("writing", flush=True); time.sleep(60)
"""


def writer(folder: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER], cwd=folder, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": f"{REPO}"},
    )  # fmt: skip
    assert process.stdout.readline() == "writing\n"
    return process


def parts(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob(".*.part"))


def test_what_a_killed_writer_left_is_removed_and_what_a_live_one_writes_stays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    killed, live = writer(tmp_path), writer(tmp_path)
    killed.kill()
    killed.wait()
    assert len(parts(tmp_path)) == 4
    write_text(tmp_path / "table.csv", "a,b\n")
    assert len(parts(tmp_path)) == 2
    assert all(f".{live.pid}@" in name for name in parts(tmp_path))
    assert caplog.text.count("which a killed process left half written") == 2
    live.kill()
    live.wait()


def test_another_process_of_the_same_number_keeps_no_leftover(tmp_path: Path) -> None:
    """Numbers come again soon in a container."""
    left = tmp_path / f".x.{os.getpid()}@{platform.node()}.part"
    left.touch()
    began = psutil.Process().create_time()
    os.utime(left, (began - 100, began - 100))
    with replacing_folder(tmp_path / "y"):
        assert not left.exists()


def test_a_writer_on_another_host_is_alive_for_a_day(tmp_path: Path) -> None:
    fresh, old = tmp_path / ".x.1@elsewhere.part", tmp_path / ".y.1@elsewhere.part"
    fresh.touch()
    old.touch()
    os.utime(old, (time.time() - 25 * 3600,) * 2)
    with replacing(tmp_path / "z") as work:
        work.touch()
    assert fresh.exists()
    assert not old.exists()


def test_git_and_dvc_see_no_half_written_file() -> None:
    for name in (".gitignore", ".dvcignore"):
        assert ".*.part" in (REPO / name).read_text("utf-8").splitlines()
    # Folders in which shards and archives grow: Git ignores all of data/, DVC hashes parts of it.
    assert shards.work_folder(Path("data/mimic/flow")).name == ".flow.work"
    assert ".*.work/" in (REPO / ".dvcignore").read_text("utf-8").splitlines()


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.99, "garbage", "other"])
def test_a_damaged_checkpoint_is_a_warning_and_the_training_starts_anew(
    keep: float | str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoints = Checkpoints(tmp_path, "x", {"seed": "1"})
    checkpoints.save(Progress(epoch=1), {"model": torch.ones(1000)})
    (file,) = tmp_path.rglob("last.pt")
    data = file.read_bytes()
    if keep == "other":
        torch.save([1, 2], file)
    else:
        file.write_bytes(b"\x80\x04garbage" if keep == "garbage" else data[: int(keep * len(data))])
    assert checkpoints.load() is None
    aside = file.with_suffix(".damaged")
    assert f"{aside} is damaged" in caplog.text
    assert "the training starts anew" in caplog.text
    assert aside.is_file(), "perhaps something can be saved of it"
    checkpoints.save(Progress(epoch=2), {})
    assert checkpoints.load()[0].epoch == 2


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EIO, "Input/output error"), OSError(errno.ESTALE, "Stale file handle"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: tried 9 bytes"),
    ],
)  # fmt: skip
def test_a_checkpoint_that_the_machine_cannot_read_now_is_not_called_damaged(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = Checkpoints(tmp_path, "x", {"seed": "1"})
    checkpoints.save(Progress(epoch=1), {})

    def failing(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(torch, "load", failing)
    with pytest.raises(type(error)):
        checkpoints.load()
    monkeypatch.undo()
    assert checkpoints.load()[0].epoch == 1


def test_a_folder_behind_a_link_is_replaced_and_the_link_stays(tmp_path: Path) -> None:
    (tmp_path / "disk/out").mkdir(parents=True)
    link = tmp_path / "out"
    link.symlink_to(tmp_path / "disk/out")
    for text in ("one", "two"):
        with replacing_folder(link) as work:
            (work / "a").write_text(text, "utf-8")
        assert (tmp_path / "disk/out/a").read_text("utf-8") == text
    assert link.is_symlink()
    assert not [*tmp_path.rglob(".*.part")]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"key": "k"}', '{"key": "k", "rows": [1]}'])
def test_a_shard_whose_sidecar_is_damaged_is_made_again(text: str, tmp_path: Path) -> None:
    made = []

    def write(shard: shards.Shard, path: Path) -> list:
        path.write_bytes(b"clips")
        made.append(shard.name)
        return []

    shard = shards.Shard("shard-000.tar", (), "k")
    for _ in range(2):
        shards.make_shards([shard], write, tmp_path, what="pack", workers=1, do="")
    assert made == ["shard-000.tar"]
    (tmp_path / "shard-000.tar.json").write_text(text)
    shards.make_shards([shard], write, tmp_path, what="pack", workers=1, do="")
    assert made == ["shard-000.tar"] * 2


def test_a_work_folder_whose_marker_is_damaged_is_cleared(tmp_path: Path) -> None:
    work = claim_work(tmp_path / "raw", {"spec": 1})
    (work / "film").touch()
    assert (claim_work(tmp_path / "raw", {"spec": 1}) / "film").exists()
    (work / "fingerprint.json").write_text("")
    assert not (claim_work(tmp_path / "raw", {"spec": 1}) / "film").exists()


def test_half_a_list_of_locks_of_dvc_is_named_with_its_cure(tmp_path: Path) -> None:
    file = tmp_path / ".dvc/tmp/rwlock"
    write_text(file, '{"read": {"data"')
    (found,) = doctor._locks(tmp_path)
    assert (found.level, found.do) == ("fault", "rm .dvc/tmp/rwlock, if no dvc runs")
    write_text(file, "{}")
    assert not list(doctor._locks(tmp_path))


RACE = """
import sys
from pathlib import Path
from benchmark.core.files import replacing_folder
for number in range(60):
    with replacing_folder(Path(sys.argv[1])) as work:
        (work / "a").write_text(sys.argv[2])
        (work / "b").write_text(sys.argv[2])
"""


def test_writers_of_one_folder_each_succeed_and_leave_one_whole(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    writers = [
        subprocess.Popen([sys.executable, "-c", RACE, str(folder), str(k)], cwd=REPO, text=True)
        for k in range(3)
    ]
    assert [writer.wait(120) for writer in writers] == [0, 0, 0]
    assert (folder / "a").read_text("utf-8") == (folder / "b").read_text("utf-8")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def _fails(how: str, path: Path) -> None:
    try:
        Path(path, "gone").read_text("utf-8")
    except OSError:
        if how == "ours":
            raise FormatError("card.json", "is no card") from None
        if how == "told":
            raise RuntimeError("the library says it is fine") from None
        raise RuntimeError("unexpected pos 576 vs 534")  # noqa: B904 - as torch does


def test_only_what_a_library_hides_of_the_system_is_said_instead_of_its_own_error(
    tmp_path: Path,
) -> None:
    with pytest.raises(FileNotFoundError, match=r"out\.bin"), replacing(tmp_path / "out.bin"):
        _fails("hidden", tmp_path)
    with pytest.raises(FormatError, match="is no card"), replacing(tmp_path / "out.bin"):
        _fails("ours", tmp_path)
    with pytest.raises(RuntimeError, match="fine"), replacing(tmp_path / "out.bin"):
        _fails("told", tmp_path)
    assert not list(tmp_path.iterdir())
