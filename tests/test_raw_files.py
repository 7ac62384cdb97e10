"""Archives are read as they were downloaded: zipped or unpacked, with the same result."""

from __future__ import annotations

import io
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from benchmark.archives import imigue
from benchmark.archives.raw_files import MIN_BOMB, Tree, open_tree
from benchmark.archives.union import open_archive
from benchmark.core.errors import ArchiveError, ManyFaults
from benchmark.editions.edition import read_edition
from tiny_archive import keypoints_of, write_archive

MIMIC = read_edition("mimic")
PLACES = (*imigue.SKELETONS.values(), *imigue.MOVIES.values())
ARCHIVES = {place.archive: place.folder for place in PLACES}


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_archive(tmp_path_factory.mktemp("raw"))


def zipped(unpacked: Path, root: Path, *, with_top: bool = True) -> Path:
    root.mkdir()
    for archive, folder in ARCHIVES.items():
        with zipfile.ZipFile(root / archive, "w", zipfile.ZIP_DEFLATED) as target:
            target.writestr("__MACOSX/._junk", b"junk")
            for path in sorted((unpacked / folder).rglob("*")):
                name = path.relative_to(unpacked if with_top else unpacked / folder).as_posix()
                target.write(path, name)
    return root


@pytest.mark.parametrize("with_top", [True, False])
def test_zips_and_folders_give_the_same_index(
    unpacked: Path, tmp_path: Path, with_top: bool
) -> None:
    root = zipped(unpacked, tmp_path / "zips", with_top=with_top)
    found = open_archive(root, MIMIC).read(excluded=(), workers=1)
    assert found == open_archive(unpacked, MIMIC).read(excluded=(), workers=1)
    assert not list(root.rglob("*.mp4")), "nothing is unpacked into the archive"


def test_zips_with_folder_entries_and_litter_are_read(unpacked: Path, tmp_path: Path) -> None:
    """As zip -r and a Mac make them."""
    root = tmp_path / "zips"
    root.mkdir()
    for archive, folder in ARCHIVES.items():
        litter = (".DS_Store", "README.txt", f"__MACOSX/{folder}/._x", f"{folder}/.DS_Store")
        with zipfile.ZipFile(root / archive, "w") as target:
            for name in litter:
                target.writestr(name, b"")
            target.write(unpacked / folder, folder)
            for path in sorted((unpacked / folder).rglob("*")):
                target.write(path, path.relative_to(unpacked).as_posix())
    found = open_archive(root, MIMIC).read(excluded=(), workers=1)
    assert found == open_archive(unpacked, MIMIC).read(excluded=(), workers=1)


def test_litter_in_unpacked_folders_is_no_video(unpacked: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(unpacked, tmp_path / "raw"))
    (copy / "imigue_rgb_phase2/__MACOSX").mkdir()
    (copy / "imigue_rgb_phase2/.cache").mkdir()
    assert len(open_archive(copy, MIMIC).read(excluded=(), workers=1)) == 21


def test_a_changed_member_has_another_stamp(unpacked: Path, tmp_path: Path) -> None:
    one = zipped(unpacked, tmp_path / "one")
    copy = Path(shutil.copytree(unpacked, tmp_path / "raw"))
    next(copy.rglob("0101_label.csv")).write_text("1,0,5\n", "utf-8")
    other = zipped(copy, tmp_path / "other")
    stamps = [
        {video.video: video.labels.stamp() for video in imigue.raw_videos(root)}
        for root in (one, other)
    ]
    assert [video for video in stamps[0] if stamps[0][video] != stamps[1][video]] == ["0101"]


def test_one_zip_may_be_unpacked_and_the_others_not(unpacked: Path, tmp_path: Path) -> None:
    root = zipped(unpacked, tmp_path / "zips")
    shutil.copytree(unpacked / "imigue_rgb_phase1", root / "imigue_rgb_phase1")
    (root / "imigue_rgb_phase1.zip").unlink()
    assert len(open_archive(root, MIMIC).read(excluded=(), workers=1)) == 21


def test_the_root_may_be_a_link_to_read_only_storage(unpacked: Path, tmp_path: Path) -> None:
    (tmp_path / "storage").mkdir()
    storage = Path(shutil.copytree(unpacked, tmp_path / "storage/imigue"))
    places = [storage, *storage.rglob("*")]
    for path in places:
        path.chmod(0o555 if path.is_dir() else 0o444)
    (tmp_path / "link").symlink_to(storage)
    before = sorted(storage.rglob("*"))
    try:
        assert len(open_archive(tmp_path / "link", MIMIC).read(excluded=(), workers=1)) == 21
        assert sorted(storage.rglob("*")) == before
    finally:
        for path in places:
            path.chmod(0o755)


def test_keypoints_come_out_of_a_zip(unpacked: Path, tmp_path: Path) -> None:
    root = zipped(unpacked, tmp_path / "zips")
    clips = open_archive(root, MIMIC).read(excluded=(), workers=1)
    mine = [clip for clip in clips if clip.video == "0012"]
    (first, points), *_ = open_archive(root, MIMIC).keypoints().of_video(mine)
    wanted = keypoints_of("0012").reshape(-1, 137, 3)[: first.frames]
    np.testing.assert_array_equal(points, wanted.astype(np.float32))


def damaged_member(root: Path, archive: str, member: str) -> None:
    path = root / archive
    with zipfile.ZipFile(path) as opened:
        offset = opened.getinfo(member).header_offset + 30 + len(member) + 20
    data = bytearray(path.read_bytes())
    data[offset : offset + 40] = bytes(40)
    path.write_bytes(data)


def test_a_damaged_member_is_named_by_zip_and_member(unpacked: Path, tmp_path: Path) -> None:
    root = zipped(unpacked, tmp_path / "zips")
    member = "imigue_rgb_phase2/0101/0101.mp4"
    damaged_member(root, "imigue_rgb_phase2.zip", member)
    with pytest.raises(ManyFaults, match=rf"imigue_rgb_phase2\.zip!{member}: cannot be unpacked"):
        open_archive(root, MIMIC).read(excluded=(), workers=1)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_member_of_any_compression_is_named(method: int, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as file:
        file.writestr("a.mp4", np.random.default_rng(0).bytes(3000))
    data = bytearray((tmp_path / "a.zip").read_bytes())
    data[60:1500] = bytes(byte ^ 0x55 for byte in data[60:1500])
    (tmp_path / "a.zip").write_bytes(data)
    member = open_tree(tmp_path, "a", "a.zip").file("a.mp4")
    with pytest.raises(ArchiveError, match=r"a\.zip!a\.mp4: cannot be unpacked"), member.local():
        pass


def test_a_compression_that_python_lacks_speaks_of_no_password(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("a.mp4", "x")
    data = bytearray((tmp_path / "a.zip").read_bytes())
    data[8] = data[data.index(b"PK\x01\x02") + 10] = 9  # Deflate64, which Windows writes
    (tmp_path / "a.zip").write_bytes(data)
    member = open_tree(tmp_path, "a", "a.zip").file("a.mp4")
    with (
        pytest.raises(ArchiveError, match=r"not supported.*Unpack the zip"),
        member.local(),
    ):
        pass


def test_a_fault_inside_a_member_names_the_zip_and_not_the_copy(
    unpacked: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(unpacked, tmp_path / "raw"))
    next(copy.rglob("0012_label.csv")).write_text("8,0,5\nx,1,2\n", "utf-8")
    root = zipped(copy, tmp_path / "zips")
    with pytest.raises(ManyFaults) as caught:
        open_archive(root, MIMIC).read(excluded=(), workers=2)
    assert "imigue_skeleton_phase1.zip!imigue_data_phase1/datasets/" in str(caught.value)
    assert "0012_label.csv line 2: not a label" in str(caught.value)
    assert "mgbench-" not in str(caught.value)


def test_an_encrypted_zip_is_said_to_be_one(unpacked: Path, tmp_path: Path) -> None:
    root = zipped(unpacked, tmp_path / "zips")
    path = root / "imigue_rgb_phase2.zip"
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        at = data.find(signature)
        while at >= 0:
            data[at + offset] |= 1  # the flag of a member that needs a password
            at = data.find(signature, at + 4)
    path.write_bytes(data)
    with pytest.raises(ArchiveError, match="encrypted.*with the organizers' password"):
        open_archive(root, MIMIC).read(excluded=(), workers=1)


def damaged_zip(*changes: tuple[int, int]) -> bytes:
    """A zip of one file with bytes changed in its central directory: (place, value)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.txt", "text")
    data = bytearray(buffer.getvalue())
    for place, value in changes:
        data[data.find(b"PK\x01\x02") + place] = value
    return bytes(data)


NO_UTF8_NAME, LATER_VERSION = damaged_zip((9, 8), (46, 255)), damaged_zip((6, 99))


@pytest.mark.parametrize("data", [b"", b"PK no zip at all", NO_UTF8_NAME, LATER_VERSION])
def test_a_file_that_is_no_zip_is_named(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(ArchiveError, match=r"a\.zip: not a readable zip"):
        open_tree(tmp_path, "a", "a.zip")


def test_the_two_kinds_of_tree_answer_alike(unpacked: Path, tmp_path: Path) -> None:
    root = zipped(unpacked, tmp_path / "zips")
    folder = open_tree(unpacked, "imigue_data_phase1", "imigue_skeleton_phase1.zip")
    archive = open_tree(root, "imigue_data_phase1", "imigue_skeleton_phase1.zip")
    assert isinstance(folder.base, Path)
    assert isinstance(archive.base, zipfile.Path)
    sub = "datasets/imigue_skeleton_train/"
    assert folder.folders(sub) == archive.folders(sub) == ["0011", "0012", "0013"]
    assert folder.files(f"{sub}0011") == archive.files(f"{sub}0011")
    for tree in (folder, archive):
        with pytest.raises(ArchiveError, match="no such folder"):
            tree.folders("datasets/nothing")
        with pytest.raises(ArchiveError, match="no such file"):
            tree.file("datasets/nothing.csv")
        assert tree.file(f"{sub}0011/0011_label.csv").name == "0011_label.csv"


def test_a_member_that_would_fill_the_disk_is_refused_before_it_is_unpacked(
    tmp_path: Path,
) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as target:
        target.writestr("bomb.mp4", bytes(MIN_BOMB + 1))
        target.writestr("zeros.npy", bytes(2**20))
    tree = Tree(zipfile.Path(tmp_path / "a.zip"))
    with (
        pytest.raises(ArchiveError, match=r"a\.zip!bomb\.mp4: unpacks to far more"),
        tree.file("bomb.mp4").local(),
    ):
        pass
    with tree.file("zeros.npy").local() as path:
        assert path.stat().st_size == 2**20
