"""A system as one file: exported, installed, the same answers; nothing unexpected gets in."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from benchmark.contracts.clips import Clips, write_clips
from benchmark.contracts.predictions import Probabilities, write_probabilities
from benchmark.core.errors import FormatError, ParamsError
from benchmark.core.half_precision import CARD, is_installed, systems_folder
from benchmark.core.video import write_video
from benchmark.inference.any_video import recognize
from benchmark.inference.system_file import export_system, install_system, open_installed
from benchmark.inference.systems import Member, System, ValScore, open_zoo
from conftest import a_clip, mgbench
from submission.fusion.blend import Blend

if TYPE_CHECKING:
    from collections.abc import Callable

MEMBER = "swin_rgb"
FILE = f"networks/{MEMBER}-0.safetensors"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture(scope="module")
def one() -> System:
    """The zoo's Swin on RGB, as a stream of two folds whose networks happen to be the same."""
    zoo = open_zoo()
    member = zoo.members[MEMBER]
    both = Member(member.networks * 2, member.prepared, member.recipe, "geometric")
    return replace(zoo, name="one", members={MEMBER: both}, blend=Blend(np.ones(1), after=1.5))


@pytest.fixture(scope="module")
def exported(one: System, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "one.zip"
    export_system(one, path, license="Apache-2.0")
    return path


def test_an_installed_system_answers_with_the_same_bits(
    one: System, exported: Path, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    video = tmp_path / "talk.mp4"
    frames = [rng.integers(0, 255, (96, 128, 3)).astype(np.uint8) for _ in range(12)]
    write_video(video, frames, 10, crf=18, gop=6)
    card = install_system(exported, "theirs")
    assert card.license == "Apache-2.0"
    assert is_installed("theirs")
    assert not is_installed("../theirs")
    installed = open_installed("theirs")
    assert installed.members[MEMBER].mean == "geometric"
    want, found = (recognize(system, video)[0].p for system in (one, installed))
    np.testing.assert_array_equal(want, found)


def test_equal_systems_give_equal_files_without_a_pickle(
    one: System, exported: Path, tmp_path: Path
) -> None:
    again = tmp_path / "again.zip"
    export_system(one, again, license="Apache-2.0")
    assert again.read_bytes() == exported.read_bytes()
    assert list(tmp_path.glob("*.part")) == []
    with zipfile.ZipFile(again) as archive:
        assert archive.namelist()[0] == CARD
        assert all(name.endswith((".json", ".safetensors")) for name in archive.namelist())


def test_a_system_is_exported_into_a_new_folder(one: System, tmp_path: Path) -> None:
    export_system(one, tmp_path / "new/folder/s.zip", license="Apache-2.0")
    assert [file.name for file in (tmp_path / "new/folder").iterdir()] == ["s.zip"]


Files = dict[str, bytes]


def told(files: Files) -> dict[str, Any]:
    return json.loads(files[CARD])


def with_card(change: Callable[[dict[str, Any]], None]) -> Callable[[Files], None]:
    def changed(files: Files) -> None:
        card = told(files)
        change(card)
        files[CARD] = json.dumps(card).encode()

    return changed


def pickled(files: Files) -> None:
    files[FILE] = b"\x80\x04" + bytes(len(files[FILE]) - 2)
    card = told(files)
    card["members"][MEMBER]["networks"][0]["sha256"] = hashlib.sha256(files[FILE]).hexdigest()
    files[CARD] = json.dumps(card).encode()


def first_network(**values: object) -> Callable[[Files], None]:
    return with_card(lambda card: card["members"][MEMBER]["networks"][0].update(values))


def renamed(card: dict[str, Any], name: str) -> None:
    card["members"] = {name: card["members"][MEMBER]}
    card["blend"]["weights"] = {name: 1.0}


def model(change: Callable[[dict[str, Any]], None]) -> Callable[[Files], None]:
    return with_card(
        lambda card: [change(one["model"]) for one in card["members"][MEMBER]["networks"]]
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda files: files.update({"more.py": b"x"}), "holds other files .* is 'more.py'"),
        (lambda files: files.update({"../../evil": b"x"}), "holds other files than its card"),
        (lambda files: files.pop(FILE), f"holds other files .*'{FILE}'"),
        (lambda files: files.pop(CARD), "no exported system: system.json is missing"),
        (lambda files: files.update({CARD: files[CARD] + b" " * 2**24}), "json is .* too large"),
        (lambda files: files.update({FILE: files[FILE][:-1] + b"?"}), "is damaged: another SHA"),
        (lambda files: files.update({FILE: files[FILE] + b"?"}), "holds other files than its"),
        (with_card(lambda card: card.update(format="system/0")), "not a system of this version"),
        (with_card(lambda card: card.update(name="../up")), "not a system of this version: name"),
        (first_network(file="../evil.safetensors"), "networks.0.file"),
        (first_network(file="networks/../../e-0.safetensors"), "networks.0.file"),
        (with_card(lambda card: card["blend"].update(weights={"rgb": 1.0})), "of other members"),
        (with_card(lambda card: card["edition"]["classes"].reverse()), "of other classes"),
        (pickled, "cannot be read"),
        (with_card(lambda card: renamed(card, "x/../../../../evil")), "members.x/../../../../evil"),
        (with_card(lambda card: card["edition"].update(name="../up")), "edition.name"),
        (with_card(lambda card: card["blend"].update(weights={MEMBER: 0.0})), "weights sum to 0"),
        (with_card(lambda card: card.update(license="two\nlines")), "license: .* control char"),
        (
            model(lambda told: told["input"].update(normalization={"kind": "train_split"})),
            "numbers",
        ),
        (model(lambda told: told["input"].update(size=10**9)), "must be at least size"),
        (
            model(lambda told: told["backbone"].update(depths=[1, 1, 1])),
            "another network's tensors",
        ),
        (model(lambda told: told.update(groups=[0] * 31)), "no such network|another network"),
    ],
)
def test_a_hostile_or_old_archive_is_refused_and_leaves_nothing(
    change: Callable[[Files], None], message: str, exported: Path, tmp_path: Path
) -> None:
    with zipfile.ZipFile(exported) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    change(files)
    path = tmp_path / "odd.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    with pytest.raises(FormatError, match=message):
        install_system(path)
    assert not systems_folder().exists() or os.listdir(systems_folder()) == []  # noqa: PTH208
    assert not (tmp_path / "evil").exists()


def test_compressed_or_repeated_files_and_what_is_no_zip_are_refused(
    exported: Path, tmp_path: Path
) -> None:
    path = tmp_path / "small.zip"
    with (
        zipfile.ZipFile(exported) as archive,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as copy,
    ):
        for name in archive.namelist():
            copy.writestr(name, archive.read(name))
    with pytest.raises(FormatError, match="holds compressed or encrypted files"):
        install_system(path)
    shutil.copy(exported, path)
    with zipfile.ZipFile(path, "a") as copy, pytest.warns(UserWarning, match="Duplicate name"):
        copy.writestr(FILE, b"another one of the same name")
    with pytest.raises(FormatError, match="holds other files than its card names"):
        install_system(path)
    path.write_bytes(exported.read_bytes()[:5000])
    with pytest.raises(FormatError, match="cannot be read as a zip"):
        install_system(path)


@pytest.mark.parametrize(
    ("place", "byte", "message"),
    [(8, 1, "holds compressed or encrypted"), (46, 0xFF, "cannot be read as a zip")],
    ids=["encrypted", "no name"],
)
def test_an_archive_with_a_password_or_a_damaged_name_is_one_message(
    place: int, byte: int, message: str, exported: Path, tmp_path: Path
) -> None:
    data = bytearray(exported.read_bytes())
    entry = data.find(b"PK\1\2")  # the first in the list of files, which the end still finds
    data[entry + 9] = 8  # names are UTF-8
    data[entry + place] = byte
    (tmp_path / "x.zip").write_bytes(data)
    with pytest.raises(FormatError, match=message):
        install_system(tmp_path / "x.zip")


def test_a_full_disk_is_not_said_to_be_the_fault_of_the_archive(
    exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(OSError, match="No space left"):
        install_system(exported)


def test_the_name_of_the_zoo_cannot_be_taken(exported: Path) -> None:
    for name in ("zoo", "../x", ""):
        with pytest.raises(ParamsError, match="is no name"):
            install_system(exported, name or "-")


@pytest.mark.parametrize("text", [b"\xe9", b"two\nlines"])
def test_a_license_that_no_file_can_hold_is_refused(tmp_path: Path, text: bytes) -> None:
    done = mgbench(tmp_path, "export", "zoo", "z.zip", "--license", os.fsdecode(text))
    assert done.returncode == 2
    assert done.stderr.endswith("'--license': no line of text\n")
    assert not (tmp_path / "z.zip").exists()


def test_a_wrong_name_is_told_by_the_commands(tmp_path: Path) -> None:
    told = mgbench(tmp_path, "install", str(Path(__file__)))
    assert "cannot be read as a zip" in told.stderr
    assert told.returncode == 2


def test_a_foreign_system_is_not_calibrated_by_networks_of_the_same_name_here(
    one: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the project's own networks, `without_points` asks how well the rest of them do."""
    zoo = open_zoo()
    two = {name: zoo.members[name] for name in ("joint", MEMBER)}
    score = ValScore(temperature=2.0, top1=0.5)
    system = replace(zoo, name="two", members=two, blend=Blend(np.full(2, 0.5)), val_score=score)
    export_system(system, tmp_path / "two.zip", license="Apache-2.0")
    install_system(tmp_path / "two.zip")
    project = tmp_path / "project"
    (project / f"predictions/experiments/{MEMBER}").mkdir(parents=True)
    monkeypatch.chdir(project)
    clip = a_clip("0001_0", split="val")
    clips = Clips(zoo.edition.name, (clip,))
    write_clips(clips, project / f"data/{clips.edition}/clips.parquet", zoo.edition)
    p = np.full((1, 32), 1 / 32, np.float32)
    own = Probabilities(clips.edition, "val", MEMBER, zoo.edition.classes, ("0001_0",), p)
    write_probabilities(own, project / f"predictions/experiments/{MEMBER}/val.parquet")
    assert open_installed("two").val_score == score
    assert open_installed("two").without_points().val_score is None
