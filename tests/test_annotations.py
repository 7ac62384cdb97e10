"""Annotations of any program become clips.csv: the right videos, frames, classes and splits."""

from __future__ import annotations

import csv
from datetime import datetime, time, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from benchmark.archives.annotations import write
from benchmark.archives.annotations.read import read_elan, read_table
from benchmark.archives.annotations.write import Shares, _together, grouped_splits
from benchmark.archives.folder import read_own_clips
from benchmark.core.errors import ArchiveError, BenchmarkError
from benchmark.core.video import write_video
from conftest import mgbench

FPS, FRAMES = 10, 40
PEOPLE = ("anna", "ben", "cleo", "dan", "eve", "fay")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A video of 4 s for each of six people."""
    for name in PEOPLE:
        path = tmp_path / "talks" / f"{name}.mp4"
        path.parent.mkdir(exist_ok=True)
        write_video(path, [np.zeros((32, 48, 3), np.uint8)] * FRAMES, FPS, crf=30, gop=10)
    return tmp_path / "talks"


def imported(root: Path, *arguments: str) -> list[dict[str, str]]:
    done = mgbench(root.parent, "edition", "import", "talks", *arguments)
    assert done.returncode == 0, done.stderr
    read_own_clips(root)  # what was written is what the harness reads
    with (root / "clips.csv").open(newline="") as file:
        return list(csv.DictReader(file))


EVENTS = {
    "semicolons.csv": "Datei;file;Gesture;start;end;person\n"
    + "".join(f"x;{n}.mp4;wave;0,5;1,5;{n}\nx;{n};nod;0:02;0:03.5;{n}\n" for n in PEOPLE),
    "aggregated.csv": "Observation id,Media file name,Subject,Behavior,Start (s),Stop (s),FPS\n"
    + "".join(f"o,/far/{n}.mp4,{n},wave,0.5,1.5,10\no,{n}.mp4,{n},nod,2,3.5,10\n" for n in PEOPLE),
    "events.tsv": "Time\tMedia file path\tSubject\tBehavior\tStatus\n" + "".join(
        f"{time}\tC:\\v\\{n}.mp4\t{n}\t{what}\t{status}\n" for n in PEOPLE
        for time, what, status in ((0.5, "wave", "START"), (1.5, "wave", "STOP"),
                                   (2, "nod", "START"), (3.5, "nod", "STOP"))
    ),
}  # fmt: skip


def test_the_time_between_gestures_becomes_clips_of_a_class_of_its_own(root: Path) -> None:
    (root / "semicolons.csv").write_text(EVENTS["semicolons.csv"], "utf-8")
    rows = imported(root, "talks/semicolons.csv", "--split-by", "subject", "--rest", "nothing")
    anna = [row for row in rows if row["video"] == "anna.mp4"]
    spans = sorted((int(row["start_frame"]), int(row["end_frame"]), row["label"]) for row in anna)
    # Gestures last 1.25 s in the median: 0.5 s before the first are too short, and after the last.
    assert spans == [(5, 15, "wave"), (20, 35, "nod")]
    table = "video,label,start,end,subject\n"
    table += "".join(f"{name}.mp4,wave,1.0,1.5,{name}\n" for name in PEOPLE)
    (root / "short.csv").write_text(table, "utf-8")
    words = ("talks/short.csv", "--split-by", "subject", "--rest", "nothing", "--replace")
    rows = [row for row in imported(root, *words) if row["video"] == "anna.mp4"]
    assert {row["split"] for row in rows} == {rows[0]["split"]}
    found = sorted((int(row["start_frame"]), int(row["end_frame"]), row["label"]) for row in rows)
    rest = [(start, end, "nothing") for start, end in pairwise((15, 20, 25, 30, 35, 40))]
    assert found == [(0, 5, "nothing"), (5, 10, "nothing"), (10, 15, "wave"), *rest]


@pytest.mark.parametrize("name", [*EVENTS, "book.xlsx", "talks.eaf"])
def test_every_form_gives_the_same_clips(name: str, root: Path) -> None:
    names = [name]
    if name == "talks.eaf":
        names = [f"{person}.eaf" for person in PEOPLE]
        for person in PEOPLE:
            (root / f"{person}.eaf").write_text(EAF.format(person=person), "utf-8")
    elif name == "book.xlsx":
        book = Workbook()
        book.active.append(["video", "class", "onset", "offset", "participant"])
        for person in PEOPLE:
            book.active.append([f"{person}.mp4", "wave", 0.5, 1.5, person])
            book.active.append([f"{person}.mp4", "nod", 2, 3.5, person])
        book.save(root / name)
    else:
        (root / name).write_text(EVENTS[name], "utf-8")
    rows = imported(root, *(f"talks/{one}" for one in names), "--split-by", "subject")
    assert (root / "classes.txt").read_text("utf-8") == "nod\nwave\n"
    spans = {(row["video"], row["label"]): (row["start_frame"], row["end_frame"]) for row in rows}
    assert spans == {
        (f"{n}.mp4", label): span for n in PEOPLE
        for label, span in (("wave", ("5", "15")), ("nod", ("20", "35")))
    }  # fmt: skip
    assert {row["subject"] for row in rows} == {*PEOPLE}
    split_of: dict[str, set[str]] = {}
    for row in rows:
        split_of.setdefault(row["subject"], set()).add(row["split"])
    assert all(len(splits) == 1 for splits in split_of.values())
    assert {row["split"] for row in rows} == {"train", "val", "test"}


EAF = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT><HEADER><MEDIA_DESCRIPTOR MEDIA_URL="file:///C:/v/{person}.mp4"/></HEADER>
<TIME_ORDER><TIME_SLOT TIME_SLOT_ID="a" TIME_VALUE="500"/><TIME_SLOT TIME_SLOT_ID="b" TIME_VALUE="1500"/>
<TIME_SLOT TIME_SLOT_ID="c" TIME_VALUE="2000"/><TIME_SLOT TIME_SLOT_ID="d" TIME_VALUE="3500"/></TIME_ORDER>
<TIER TIER_ID="gestures" PARTICIPANT="{person}">
<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="1" TIME_SLOT_REF1="a" TIME_SLOT_REF2="b">
<ANNOTATION_VALUE>wave</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="2" TIME_SLOT_REF1="c" TIME_SLOT_REF2="d">
<ANNOTATION_VALUE>nod</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER>
<TIER TIER_ID="empty"/></ANNOTATION_DOCUMENT>
"""  # noqa: E501


def test_class_folders_name_class_and_split(root: Path) -> None:
    for k, name in enumerate(PEOPLE):
        folder = root / ("train", "Validation", "test")[k % 3] / ("wave", "nod")[k // 3]
        folder.mkdir(parents=True)
        (root / f"{name}.mp4").rename(folder / f"{name}.mp4")
    rows = imported(root)
    assert {(row["split"], row["label"]) for row in rows} == {
        (split, label) for split in ("train", "val", "test") for label in ("wave", "nod")
    }
    assert {(row["start_frame"], row["end_frame"]) for row in rows} == {("0", str(FRAMES))}


def write_book(path: Path, *sheets: list[list[object]]) -> None:
    book = Workbook()
    for k, rows in enumerate(sheets):
        sheet = book.create_sheet(f"page {k}") if k else book.active
        for row in [["video", "class", "start", "end", "person"], *rows]:
            sheet.append(row)
    book.save(path)


def test_cells_that_excel_knows_as_times_and_dates_are_read_or_named(root: Path) -> None:
    second = timedelta(seconds=2.5)
    write_book(root / "t.xlsx", [[n, "wave", time(0, 0, 1), second, n] for n in PEOPLE])
    rows = imported(root, "talks/t.xlsx", "--split-by", "subject")
    assert {(row["start_frame"], row["end_frame"]) for row in rows} == {("10", "25")}
    write_book(root / "d.xlsx", [["anna", "wave", datetime(2026, 5, 1), 2, "anna"]])
    with pytest.raises(ArchiveError, match="row 2: no time.*found '2026-05-01"):
        read_table(root / "d.xlsx")


def test_a_second_sheet_of_annotations_is_not_dropped_without_a_word(root: Path) -> None:
    row: list[object] = ["anna", "wave", 1, 2, "anna"]
    write_book(root / "t.xlsx", [row], [row])
    with pytest.raises(ArchiveError, match="sheet 'page 1' holds annotations, too"):
        read_table(root / "t.xlsx")


@pytest.mark.parametrize("stray", ['"nod', 'nod","x', '"nod' + "d" * 200_000])
def test_rows_after_an_open_quote_are_not_lost(stray: str, tmp_path: Path) -> None:
    rows = "anna.mp4,wave\n" * 3
    (tmp_path / "t.csv").write_text(f"video,label\nanna.mp4,{stray}\n{rows}", "utf-8")
    with pytest.raises(ArchiveError, match="line 2: .*Close the quote"):
        read_table(tmp_path / "t.csv")


def test_quotes_of_a_table_are_those_of_csv_whatever_its_header_holds(tmp_path: Path) -> None:
    text = 'video;label;comment\nanna.mp4;"say ""hi; you""";"two\nlines"\nben.mp4; "nod; twice";\n'
    (tmp_path / "t.csv").write_text(text, "utf-8")
    first, second = read_table(tmp_path / "t.csv")
    assert (first.label, second.label) == ('say "hi; you"', "nod; twice")
    assert second.where.endswith("line 4")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("video,label,start,end\nanna.mp4,wave,1,2\ngone.mp4,nod,1,2\nben.mp4,nod,9,10\n",
         ["line 3: no such video"]),
        ("video,label,start,end\nanna.mp4,wave,1,2\nben.mp4,nod,9,10\nanna.mp4,,x,2\n",
         ["line 4: no time"]),
        ("video,label,start,end\nanna.mp4,wave,2,1\nben.mp4,nod,9,10\n",
         ["2 faults", "line 2: no frame of the video", "line 3: not inside the video"]),
        ("video,label\nanna.mp4,wave\n", ["0 of 1 annotations name a split", "--split-by subject"]),
        ("video,label,split\nanna.mp4,wave,train\nben.mp4,nod,later\n", ["line 3: unknown split"]),
        ("name,label\nanna.mp4,wave\n", ["no column tells the video"]),
        ("Time,video,label,status\n1,anna.mp4,wave,START\n", ["begins at 1 s", "never stops"]),
        ("video,label,start,end\nanna.mp4,wave,1,500\nben.mp4,nod,1,4.9\n",
         ["1 fault", "line 2: not inside the video; expected within 0 to 4.00 s; found 1 to 500"]),
        ("video,label,split\nanna.mp4,wave,train\nben.mp4,Wave,val\n",
         ["1 fault", "line 3: class 'Wave' is 'wave' in another spelling?"]),
        ("video,label,person\nanna.mp4,wave,1\nben.mp4,wave,01\ncleo.mp4,wave,1.0\n",
         ["2 faults", "line 3: person '01' is '1'", "line 4: person '1.0' is '1'"]),
        ("video,label\nanna.mp4,wa\7ve\n", ["line 2: the name of a class holds a control char"]),
        ("video,label,end\nanna.mp4,wave,1\nanna,wave,1.01\n",
         ["line 3: gesture 'wave' in frames 0 to 10 of anna.mp4 comes twice; found also"]),
        ("video,label,split\nanna.mp4,wave,train\nanna.mp4,nod,val\n",
         ["line 3: anna.mp4 is in two splits; found train and val"]),
        ("video,label\na/anna.mp4,wave\nb/anna.mp4,nod\n",
         ["line 3: 'b/anna.mp4' would be anna.mp4, as is a path in 'a'. Is a video missing?"]),
    ],
)  # fmt: skip
def test_every_fault_is_told_with_its_line_and_nothing_is_written(
    text: str, says: list[str], root: Path
) -> None:
    (root / "t.csv").write_text(text, "utf-8")
    done = mgbench(root.parent, "edition", "import", "talks", "talks/t.csv")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    for words in says:
        assert words in done.stderr
    assert not (root / "clips.csv").exists()


@pytest.mark.parametrize("rest", ["", "Wave", "a\7"])
def test_rest_is_a_class_of_its_own(rest: str, root: Path) -> None:
    (root / "t.csv").write_text(EVENTS["semicolons.csv"], "utf-8")
    words = ("talks", "talks/t.csv", "--split-by", "subject", "--rest", rest)
    done = mgbench(root.parent, "edition", "import", *words)
    assert done.returncode == 2
    assert "class" in done.stderr
    assert not (root / "clips.csv").exists()


def test_names_of_videos_with_dots_and_letters_of_macos_are_found(root: Path) -> None:
    for old, new in (("anna", "talk"), ("ben", "talk.2"), ("cleo", "cle\u0301o")):
        (root / f"{old}.mp4").rename(root / f"{new}.mp4")
    text = "video,label,split\ntalk,u\u0308,train\ntalk.2,\u00fc,val\ncl\u00e9o.mp4,nod,test\n"
    (root / "t.csv").write_text(text, "utf-8")
    rows = imported(root, "talks/t.csv")
    assert [row["video"] for row in rows] == ["talk.mp4", "talk.2.mp4", "cle\u0301o.mp4"]
    assert [row["label"] for row in rows] == ["\u00fc", "\u00fc", "nod"]


def test_a_table_that_is_there_is_replaced_only_when_told(root: Path) -> None:
    (root / "t.csv").write_text(EVENTS["semicolons.csv"], "utf-8")
    imported(root, "talks/t.csv", "--split-by", "video")
    done = mgbench(root.parent, "edition", "import", "talks", "talks/t.csv", "--split-by", "video")
    assert "is there already. Say --replace" in done.stderr
    imported(root, "talks/t.csv", "--split-by", "video", "--replace", "--shares", "50,50,0")


def test_a_list_of_classes_that_somebody_wrote_is_not_replaced(root: Path) -> None:
    (root / "t.csv").write_text(EVENTS["semicolons.csv"], "utf-8")
    (root / "classes.txt").write_text("nod\nwave\nboth\n", "utf-8")
    done = mgbench(root.parent, "edition", "import", "talks", "talks/t.csv", "--split-by", "video")
    assert "classes.txt: is there already. Say --replace" in done.stderr
    assert (root / "classes.txt").read_text("utf-8") == "nod\nwave\nboth\n"


def test_an_interrupted_import_replaces_neither_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = write.Row("a-000", "train", "wave", "a.mp4", 0, 10, "anna")
    write.write_rows(tmp_path, [row])
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def stop(*_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(write, "csv_text", stop)
    with pytest.raises(KeyboardInterrupt):
        write.write_rows(tmp_path, [row._replace(label="nod")])
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert {*before} == {"clips.csv", "classes.txt"}


@pytest.mark.parametrize("wrong", [("--seed", "-1"), ("--shares", "70,15,1\u00b9")])
def test_an_option_of_the_draw_that_is_no_number_is_named(
    wrong: tuple[str, str], root: Path
) -> None:
    (root / "t.csv").write_text(EVENTS["semicolons.csv"], "utf-8")
    words = ("talks", "talks/t.csv", "--split-by", "video", *wrong)
    done = mgbench(root.parent, "edition", "import", *words)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(f"Error: {wrong[0]}: ")


@given(
    data=st.lists(st.tuples(st.integers(0, 8), st.sampled_from("abc")), min_size=9, max_size=60),
    seed=st.integers(0, 50),
)
@settings(max_examples=40, deadline=None)
def test_no_group_is_in_two_splits(data: list[tuple[int, str]], seed: int) -> None:
    groups = [str(group) for group, _ in data] + ["x", "y", "z"]
    labels = [label for _, label in data] + ["a", "b", "c"]
    splits = grouped_splits(labels, groups, Shares(70, 15, 15), seed)
    of = dict(zip(groups, splits, strict=True))
    assert [of[group] for group in groups] == splits
    assert {*splits} == {"train", "val", "test"}
    assert splits == grouped_splits(labels, groups, Shares(70, 15, 15), seed)


def test_persons_who_share_a_video_stay_together() -> None:
    groups = _together(["anna", "ben", "cleo", "dan"], ["v1", "v1", "v2", "v3"])
    assert groups[0] == groups[1]
    assert len({*groups}) == 3


def test_too_few_groups_are_refused() -> None:
    with pytest.raises(ArchiveError, match="2 groups cannot be train, val, test"):
        grouped_splits(["a"] * 4, ["x", "x", "y", "y"], Shares(70, 15, 15), 0)


def test_an_annotation_document_with_entities_is_refused(root: Path) -> None:
    (root / "a.eaf").write_text('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "utf-8")
    done = mgbench(root.parent, "edition", "import", "talks", "talks/a.eaf")
    assert "defines entities" in done.stderr


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"500"', '"5x"', "annotation 1: no times"),
        ("UTF-8", "latin-99", "not XML .unknown encoding"),
        ('"gestures"', '"hands"', "nothing in the tiers that --tier names; found hands"),
    ],
)
def test_a_broken_annotation_document_is_named(
    old: str, new: str, says: str, tmp_path: Path
) -> None:
    (tmp_path / "a.eaf").write_text(EAF.format(person="anna").replace(old, new, 1), "utf-8")
    with pytest.raises(ArchiveError, match=says):
        read_elan(tmp_path / "a.eaf", ("gestures",))


def test_a_tier_that_no_document_has_is_refused(root: Path) -> None:
    for person in PEOPLE:
        (root / f"{person}.eaf").write_text(EAF.format(person=person), "utf-8")
    words = ["talks", *(f"talks/{person}.eaf" for person in PEOPLE), "--split-by", "subject"]
    words += ["--tier", "gestures", "--tier", "gesturse"]
    done = mgbench(root.parent, "edition", "import", *words)
    assert "--tier: no tier 'gesturse'; expected empty, gestures" in done.stderr
    assert not (root / "clips.csv").exists()


def test_times_of_a_video_that_elan_synchronized_are_those_of_the_video(tmp_path: Path) -> None:
    text = EAF.format(person="anna").replace("MEDIA_URL", 'TIME_ORIGIN="250" MEDIA_URL')
    (tmp_path / "a.eaf").write_text(text, "utf-8")
    assert [one.start_s for one in read_elan(tmp_path / "a.eaf")] == [0.75, 2.25]


def test_a_document_beside_its_video_means_that_one_of_all_of_its_name(root: Path) -> None:
    for name in PEOPLE:
        (root / name).mkdir()
        (root / f"{name}.mp4").rename(root / name / "monday.mp4")
        text = EAF.format(person=name).replace("MEDIA_URL", 'RELATIVE_MEDIA_URL="./monday.mp4" URL')
        (root / name / "monday.eaf").write_text(text, "utf-8")
    rows = imported(root, *(f"talks/{n}/monday.eaf" for n in PEOPLE), "--split-by", "subject")
    assert {(row["video"], row["subject"]) for row in rows} == {
        (f"{name}/monday.mp4", name) for name in PEOPLE
    }


def test_a_table_of_any_bytes_is_read_or_refused(tmp_path: Path) -> None:
    for k, data in enumerate((b"", b"\0", b"\xff\xfe", b'"', b"video,label\n" + b"x" * 10)):
        path = tmp_path / f"{k}.csv"
        path.write_bytes(data)
        with pytest.raises(BenchmarkError):
            read_table(path)
