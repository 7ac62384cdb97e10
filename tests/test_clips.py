"""The index: what goes in comes out, and each rule of it is kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.contracts.clips import (
    Clip,
    Clips,
    check_clips,
    frame_numbers,
    read_clips,
    write_clips,
)
from benchmark.core.errors import FormatError
from benchmark.editions.edition import read_edition

PROPERTY = settings(max_examples=25, deadline=None, derandomize=True)
MIMIC = read_edition("mimic")
WHERE = Path("clips.parquet")


def make(splits: list[str] | None = None, seed: int = 0) -> Clips:
    """Three clips a video, one video for each entry of `splits`; test labels are withheld."""
    rng = np.random.default_rng(seed)
    rows = []
    for video, split in enumerate(splits or ["train", "val", "test"]):
        for clip in range(3):
            start = int(rng.integers(0, 5000))
            rows.append(
                {
                    "clip_id": f"{video:04d}_{clip}",
                    "video": f"{video:04d}",
                    "subject": f"s{video}" if video % 2 else None,
                    "split": split,
                    "label": None if split == "test" else int(rng.integers(0, 32)),
                    "start_frame": start,
                    "end_frame": start + int(rng.integers(1, 200)),
                    "fps": 25.0,
                    "width": 320,
                    "height": 180,
                    "excluded": video == 3 and clip == 1,
                }
            )
    return Clips("mimic", tuple(Clip(**row) for row in rows))


def changed(clip_id: str, column: str, value: Any) -> Clips:
    rows = [
        replace(clip, **{column: value}) if clip.clip_id == clip_id else clip for clip in make()
    ]
    return Clips("mimic", tuple(rows))


@PROPERTY
@given(
    st.lists(st.sampled_from(["train", "val", "test"]), min_size=1, max_size=6), st.integers(0, 9)
)
def test_the_index_survives_the_round_trip(
    tmp_path_factory: pytest.TempPathFactory, splits: list[str], seed: int
) -> None:
    path = tmp_path_factory.mktemp("clips") / "clips.parquet"
    clips = make(splits, seed)
    write_clips(clips, path, MIMIC)
    found = read_clips(path, MIMIC)
    assert found == clips


def test_equal_indexes_have_equal_bytes(tmp_path: Path) -> None:
    write_clips(make(), tmp_path / "a.parquet", MIMIC)
    write_clips(make(), tmp_path / "b.parquet", MIMIC)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_a_split_holds_its_clips_in_the_order_of_the_edition() -> None:
    clips = make(["val", "train", "val"])
    val = clips.split("val")
    assert val.ids == ["0000_0", "0000_1", "0000_2", "0002_0", "0002_1", "0002_2"]
    assert val.videos == ["0000"] * 3 + ["0002"] * 3
    assert len(val) == 6
    assert len(clips.split("test")) == 0


def test_frames_of_overlapping_clips_are_numbered_once() -> None:
    first, second, third = make(["val"]).rows
    clips = [
        replace(first, start_frame=2, end_frame=5),
        replace(second, start_frame=4, end_frame=7),
        replace(third, start_frame=9, end_frame=10),
    ]
    assert frame_numbers(clips) == {2, 3, 4, 5, 6, 9}


def test_labels_are_whole_numbers_where_they_are_known() -> None:
    clips = make()
    labels = clips.split("val").labels()
    assert labels.dtype == np.int64
    assert labels.tolist() == [clip.label for clip in clips if clip.split == "val"]


def test_withheld_labels_are_not_given() -> None:
    with pytest.raises(FormatError, match=r"^clips of mimic: the label of 0002_0 is withheld"):
        make().split("test").labels()


@pytest.mark.parametrize(
    ("clips", "message"),
    [
        (
            changed("0000_1", "clip_id", "0000_0"),
            "clip id twice in 2 row(s), the first is 0000_0",
        ),
        (changed("0000_1", "split", "dev"), "unknown split in 1 row(s), the first is 0000_1"),
        (changed("0000_1", "start_frame", -1), "starts before frame 0 in 1 row(s), the first is"),
        (changed("0000_1", "end_frame", 0), "no frame in it in 1 row(s), the first is 0000_1"),
        (changed("0000_1", "label", 32), "label past the classes in 1 row(s), the first is 0000_1"),
        (changed("0000_1", "label", -1), "negative label in 1 row(s), the first is 0000_1"),
        (changed("0002_1", "label", 3), "label in a withheld split in 1 row(s), the first is"),
        (changed("0000_1", "label", None), "label missing in 1 row(s), the first is 0000_1"),
        (changed("0001_0", "video", "0000"), "video 0000 is in several splits; found train, val"),
        (Clips("miga25", make().rows), "another edition's; expected mimic; found miga25"),
    ],
)
def test_an_unsound_index_is_neither_taken_nor_written(
    clips: Clips, message: str, tmp_path: Path
) -> None:
    with pytest.raises(FormatError) as error:
        check_clips(clips, MIMIC, where=WHERE)
    assert str(error.value).startswith(f"{WHERE}: {message}")
    with pytest.raises(FormatError):
        write_clips(clips, tmp_path / WHERE, MIMIC)
    assert list(tmp_path.iterdir()) == []


def test_the_last_frame_may_be_one_after_the_first() -> None:
    short = changed("0000_1", "end_frame", make().rows[1].start_frame + 1)
    check_clips(short, MIMIC, where=WHERE)
    assert short.rows[1].frames == 1


def test_an_index_tampered_with_is_refused_on_reading(tmp_path: Path) -> None:
    path = tmp_path / WHERE
    write_clips(make(), path, MIMIC)
    table = pq.read_table(path)
    ids = pa.array(["0000_0", *table["clip_id"].to_pylist()[:8]], pa.string())
    field = table.schema.field("clip_id")
    pq.write_table(table.set_column(0, field, ids), path)
    with pytest.raises(FormatError) as error:
        read_clips(path, MIMIC)
    assert str(error.value).startswith(f"{path}: clip id twice in 2 row(s), the first is 0000_0")


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / WHERE
    with pytest.raises(FormatError) as error:
        read_clips(path, MIMIC)
    assert str(error.value) == f"{path}: no such file. Run 'dvc repro index@mimic'"
    path.write_bytes(b"clip_id\n")
    with pytest.raises(FormatError) as error:
        read_clips(path, MIMIC)
    assert str(error.value).startswith(f"{path}: not a parquet file")
    pq.write_table(pa.table({"clip_id": ["a"]}), path)
    with pytest.raises(FormatError) as error:
        read_clips(path, MIMIC)
    assert str(error.value).startswith(
        f"{path}: not an index of this version; expected clips/3; found nothing"
    )


def test_an_index_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / WHERE
    write_clips(make(), path, MIMIC)
    table = pq.read_table(path)
    older = table.replace_schema_metadata({"format": "clips/0", "edition": "mimic"})
    pq.write_table(older, path)
    with pytest.raises(FormatError) as error:
        read_clips(path, MIMIC)
    assert str(error.value).startswith(
        f"{path}: not an index of this version; expected clips/3; found clips/0"
    )
