"""Files of weights: what is published, what lies in the folder, what params.yaml pins."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
import torch
from ruamel.yaml import YAML
from safetensors.torch import save_file

from benchmark.core.errors import ArchiveError, ParamsError
from benchmark.core.pinned_file import WeightsFile, sha256, verified
from benchmark.core.schema import Strict
from benchmark.modalities.skeleton import SkeletonModality
from benchmark.params.params import read_params
from benchmark.weights.catalogue import (
    Catalogue,
    PublishedWeights,
    published_state,
    read_catalogue,
    weights_files,
)
from benchmark.weights.initial import points_of
from conftest import REPO, mgbench
from pipelines.cli.weights_shown import show_published
from write_weights_table import PAGE, TABLE, table_text

ENTRIES = read_catalogue().entries
BYTES = b"weights"
SHA = hashlib.sha256(BYTES).hexdigest()


def published(**changes: object) -> PublishedWeights:
    known = {
        "name": "net", "file": "net.pth", "folder": None, "used_by": "raft", "source": "a test",
        "url": None, "license": "CC0-1.0", "research_only": False, "bytes": None,
        "sha256_begins": (SHA[:8],), "digits_from": "file name",
    }  # fmt: skip
    return PublishedWeights.model_validate(known | changes)


def project(folder: Path, modality: dict[str, object]) -> Path:
    """A folder with a params.yaml that has more modalities."""
    params = YAML(typ="safe").load((REPO / "params.yaml").read_text("utf-8"))
    params["modalities"] |= modality
    YAML().dump(params, folder / "params.yaml")
    return folder


def raft(path: str, sha256: str) -> dict[str, object]:
    """A modality entry that needs weights."""
    flow = YAML(typ="safe").load((REPO / "params.yaml").read_text("utf-8"))["modalities"]["flow"]
    weights = {"path": path, "sha256": sha256}
    return flow | {"backend": {"kind": "raft", "size": "small", "weights": weights, "updates": 12}}


# ---------------------------------------------------------------- the catalogue


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_digits_in_a_published_name_are_the_catalogues(entry: PublishedWeights) -> None:
    in_name = re.search(r"-([0-9a-f]{8})\.(?:pth|ckpt)$", entry.file)
    assert (entry.digits_from == "file name") == bool(in_name)
    if in_name:
        assert entry.sha256_begins == (in_name[1],)


def test_digits_that_others_pin_are_whole_hashes() -> None:
    whole = [entry.sha256_begins for entry in ENTRIES if entry.digits_from == "others"]
    assert whole
    assert all(len(digits) == 64 for known in whole for digits in known or ())


def test_non_commercial_weights_are_marked() -> None:
    for entry in ENTRIES:
        assert entry.research_only == ("-NC" in entry.license), entry.name
        assert entry.url is None or entry.url.endswith("/" + entry.file), entry.name


def test_a_source_is_said_in_words() -> None:
    assert [entry.name for entry in ENTRIES if "://" in entry.source] == []


def test_a_catalogue_names_each_file_once() -> None:
    with pytest.raises(ValueError, match="name twice: net"):
        Catalogue(entries=(published(), published(file="other.pth")))
    with pytest.raises(ValueError, match="place twice: net.pth"):
        Catalogue(entries=(published(), published(name="other")))
    Catalogue(entries=(published(), published(name="other", folder="other")))


@pytest.mark.parametrize("digits", ["0106", "01064C6D", "0x064c6d", ""])
def test_digits_are_lower_case_hex(digits: str) -> None:
    with pytest.raises(ValueError, match="sha256_begins"):
        published(sha256_begins=(digits,))


def test_digits_have_an_origin() -> None:
    with pytest.raises(ValueError, match="null together"):
        published(digits_from=None)


def test_a_broken_catalogue_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.yaml"
    path.write_text("entries:\n  - {name: net}\n", "utf-8")
    with pytest.raises(ParamsError, match=re.escape("entries.0.file: missing")):
        read_catalogue(path)


def test_the_page_shows_the_catalogue() -> None:
    shown = TABLE.search(PAGE.read_text("utf-8"))
    assert shown
    assert shown[0] == table_text(read_catalogue()), "run python tests/write_weights_table.py"


# ---------------------------------------------------------------- a file in the folder


@pytest.mark.parametrize(
    ("content", "begins", "level", "text"),
    [
        (BYTES, (SHA[:8],), "ok", "7 bytes; the published file"),
        (BYTES, ("0" * 64, SHA), "ok", "the published file"),
        (b"other", (SHA[:8],), "fault", f"published begins {SHA[:8]}"),
        (BYTES, None, "note", "no published hash: pin it"),
        (None, (SHA[:8],), "note", "absent"),
    ],
)
def test_a_published_file_is_right_wrong_unknown_or_absent(
    tmp_path: Path,
    content: bytes | None,
    begins: tuple[str, ...] | None,
    level: str,
    text: str,
) -> None:
    if content is not None:
        (tmp_path / "net.pth").write_bytes(content)
    entry = published(sha256_begins=begins, digits_from="file name" if begins else None)
    state = published_state(entry, tmp_path)
    assert state.level == level
    assert text in state.text
    assert (state.sha256 is None) == (content is None)


def test_a_right_file_comes_with_lines_that_pin_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own/net.pth").write_bytes(BYTES)
    assert show_published([published(folder="own")], tmp_path, sha256, in_full=False) == ["ok"]
    lines = capsys.readouterr().out.splitlines()
    pinned = YAML(typ="safe").load("\n".join(lines[1:3]))["weights"]
    assert verified(WeightsFile(**pinned), expected="net") == tmp_path / "own/net.pth"


def test_a_wrong_file_comes_with_no_lines_to_pin(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "net.pth").write_bytes(b"other")
    assert show_published([published()], tmp_path, sha256, in_full=False) == ["fault"]
    shown = capsys.readouterr().out
    assert shown.startswith("FAULT net  5 bytes; WRONG: SHA-256 " + "d9298a10d1b0735837dc4bd85dac")
    assert "weights: {" not in shown


# ---------------------------------------------------------------- the command


def test_absent_files_are_no_fault(tmp_path: Path) -> None:
    done = mgbench(tmp_path, "weights", "check")
    assert done.returncode == 0
    *lines, last = done.stdout.splitlines()
    assert [line.split() for line in lines] == [["note", e.name, "absent"] for e in ENTRIES]
    assert last == f"0 of {len(ENTRIES)} published files are in weights; --name says more"


def test_a_wrong_file_is_a_fault_and_one_without_a_hash_a_note(tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "MemFlowNet_things.pth").write_bytes(BYTES)
    done = mgbench(tmp_path, "weights", "check", "--folder", "elsewhere")
    assert done.returncode == 0
    assert f"sha256: {SHA}}}" in done.stdout
    (folder / "swin3d_t-7615ae03.pth").write_bytes(BYTES)
    done = mgbench(tmp_path, "weights", "check", "--folder", "elsewhere")
    assert done.returncode == 2
    assert re.search(r"^FAULT swin3d_tiny_k400 +7 bytes; WRONG", done.stdout, re.M)


def test_one_entry_is_shown_in_full(tmp_path: Path) -> None:
    done = mgbench(tmp_path, "weights", "check", "--name", "video_depth_anything_large")
    assert done.returncode == 0
    for part in ("CC-BY-NC-4.0; for research only", "Hugging Face", "put it in weights/video_"):
        assert part in done.stdout


def test_files_that_params_name_are_right_other_or_missing(tmp_path: Path) -> None:
    (tmp_path / "own.pth").write_bytes(BYTES)
    pose = {
        "kind": "pose", "edition": "mimic", "layout": "openpose36", "pose": "own.pth",
        "hands": None, "face": None, "shards": 1,
    }  # fmt: skip
    project(tmp_path, {"flow_right": raft("own.pth", SHA), "own_points": pose})
    done = mgbench(tmp_path, "weights", "check")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(
        r"^ok    modalities.flow_right.backend.weights +own.pth: the pinned", done.stdout, re.M
    )
    assert re.search(r"^ok    modalities.own_points.pose +own.pth: present", done.stdout, re.M)

    more = {
        "flow_new": raft("own.pth", "0" * 64),
        "flow_other": raft("own.pth", "1" * 64),
        "flow_missing": raft("gone.pth", SHA),
        "own_points": pose | {"hands": "gone.task"},
    }
    done = mgbench(project(tmp_path, more), "weights", "check")
    assert done.returncode == 2
    for line in (
        rf"modalities.flow_other.backend.weights +own.pth: WRONG: SHA-256 {SHA}, pinned 1111",
        "modalities.flow_new.backend.weights +own.pth: not pinned yet: 'mgbench weights pin'",
        "modalities.flow_missing.backend.weights +gone.pth: missing",
        "modalities.own_points.hands +gone.task: missing",
    ):
        assert re.search(f"^FAULT {line}", done.stdout, re.M), line


def test_a_missing_file_is_told_with_its_address_size_and_license(tmp_path: Path) -> None:
    project(tmp_path, {"flow": raft("weights/raft_small_C_T_V2-01064c6d.pth", SHA)})
    lines = mgbench(tmp_path, "weights", "check").stdout.splitlines()
    assert [line.split(":")[0] for line in lines[1:]] == ["      raft_small_ct_v2"]
    assert "https://download.pytorch.org/models/raft_small_C_T_V2-01064c6d.pth" in lines[1]
    assert "BSD-3-Clause" in lines[1]


def test_what_is_there_is_pinned_and_comments_stay(tmp_path: Path) -> None:
    save_file({"a": torch.ones(1)}, tmp_path / "net.safetensors")
    digits = sha256(tmp_path / "net.safetensors")
    (tmp_path / "page.pth").write_text("<html>", "utf-8")
    new, gone = raft("net.safetensors", "0" * 64), raft("gone.pth", "0" * 64)
    project(tmp_path, {"flow_new": new, "flow_gone": gone, "flow_old": raft("page.pth", "1" * 64)})
    done = mgbench(tmp_path, "weights", "pin")
    assert done.stdout == "pinned modalities.flow_new.backend.weights: net.safetensors\n"
    files = dict(weights_files(read_params(tmp_path / "params.yaml")))
    assert files["modalities.flow_new.backend.weights"].sha256 == digits
    assert files["modalities.flow_gone.backend.weights"].sha256 == "0" * 64
    assert files["modalities.flow_old.backend.weights"].sha256 == "1" * 64
    before = (tmp_path / "params.yaml").read_bytes()
    for key, says in (
        ("modalities.flow_old.backend.weights", "page.pth: "),
        ("flow", "no file of weights at flow"),
        ("modalities.flow_gone.backend.weights", "gone.pth: no such file"),
    ):  # fmt: skip
        wrong = mgbench(tmp_path, "weights", "pin", key)
        assert wrong.returncode == 2
        assert says in wrong.stderr
    assert (tmp_path / "params.yaml").read_bytes() == before


def test_a_file_that_its_publisher_has_otherwise_is_not_pinned(tmp_path: Path) -> None:
    path = tmp_path / "raft_small_C_T_V2-01064c6d.pth"
    torch.save({"a": torch.ones(1)}, path)
    project(tmp_path, {"flow": raft(path.name, "0" * 64)})
    done = mgbench(tmp_path, "weights", "pin")
    assert done.returncode == 2
    assert "not the published file; expected 01064c6d" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--name", "raft_smal_ct_v2"), "no weights 'raft_smal_ct_v2'; expected raft_small_ct_v2"),
        (("--folder", "nowhere"), "Directory 'nowhere' does not exist"),
    ],
)
def test_a_wrong_argument_is_told_in_one_line(
    tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = mgbench(tmp_path, "weights", "check", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_broken_params_are_told(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("seed: [1\n", "utf-8")
    done = mgbench(tmp_path, "weights", "check")
    assert done.returncode == 2
    assert "params.yaml: not valid YAML" in done.stderr
    assert "Traceback" not in done.stderr


# ---------------------------------------------------------------- benchmark.core.pinned_file


def test_weights_are_found_wherever_they_are_named() -> None:
    class Settings(Strict):
        one: WeightsFile
        more: dict[str, tuple[WeightsFile, ...]]
        other: str

    file = WeightsFile(path="a", sha256=SHA)
    settings = Settings(one=file, more={"x": (file, file)}, other="b")
    assert [where for where, _ in weights_files(settings)] == ["one", "more.x.0", "more.x.1"]


def test_a_missing_or_changed_file_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    weights = WeightsFile(path=str(path), sha256=SHA)
    with pytest.raises(ArchiveError, match="no such weights; expected the net"):
        verified(weights, expected="the net")
    path.write_bytes(BYTES)
    assert verified(weights, expected="the net") == path
    path.write_bytes(b"changed")
    with pytest.raises(ArchiveError, match=f"expected {SHA}; found "):
        verified(weights, expected="the net")


STAND_INS = {
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a Git LFS pointer"),
    "page": (b"<!doctype html><title>Sign in</title>", "an HTML page"),
    "empty": (b"", "an empty file"),
    "zeros": (bytes(4000), "zero bytes"),
    "refusal": (
        b'<?xml version="1.0"?><Error>AccessDenied</Error>',
        "XML, such as a server's error",
    ),
}


@pytest.mark.parametrize("kind", STAND_INS)
@pytest.mark.parametrize("published_hash", [SHA, None])
def test_what_lies_instead_of_the_weights_is_named_and_never_pinned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, published_hash: str | None
) -> None:
    content, words = STAND_INS[kind]
    (tmp_path / "net.pth").write_bytes(content)
    begins = (published_hash[:8],) if published_hash else None
    entry = published(sha256_begins=begins, digits_from="file name" if begins else None)
    assert show_published([entry], tmp_path, sha256, in_full=False) == ["fault"]
    shown = capsys.readouterr().out
    assert words in shown
    assert "pin it" not in shown
    assert "weights: {" not in shown
    with pytest.raises(ArchiveError, match=f"found {words}.*Fetch the file itself$"):
        verified(WeightsFile(path=str(tmp_path / "net.pth"), sha256=SHA), expected="the net")


def test_own_layouts_of_as_many_points_are_told_apart() -> None:
    """25 joints of Kinect would fit a network of the 25 of OpenPose, and mislead it."""
    experiment = read_params(REPO / "params.yaml").experiments["joint"]
    own = SkeletonModality(kind="skeleton", edition="own", layout="own", shards=1)
    kinect = points_of(experiment.input, own, ("spine", "neck"))
    assert kinect == "joint of own points spine, neck"
    assert kinect != points_of(experiment.input, own, ("nose", "neck"))
    plain = own.model_copy(update={"layout": "openpose36"})
    assert points_of(experiment.input, plain, ("nose", "neck")) == "joint of openpose36"
