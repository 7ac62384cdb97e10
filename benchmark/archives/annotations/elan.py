"""Annotations of ELAN (.eaf): tiers whose annotations have times."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote
from xml.etree import ElementTree

from benchmark.archives.annotations.annotation import Annotation
from benchmark.core.errors import ArchiveError, FaultList

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path


def read_elan(path: Path, tiers: Collection[str] = ()) -> list[Annotation]:
    """Read the annotations of some tiers, or of the only one that has any.

    The video is the file's media; a tier's participant is the subject.

    Raises:
        ManyFaults: Every annotation without a time or a word.
        ArchiveError: The file is no annotation document, names no video, or has several tiers and
            none is chosen.
    """
    data = path.read_bytes()
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise ArchiveError(path, "defines entities, which no annotation document does")
    try:
        root = ElementTree.fromstring(data)
    except ElementTree.ParseError as error:
        raise ArchiveError(path, f"not XML ({error})", do="Save it again with ELAN") from None
    media = root.find("HEADER/MEDIA_DESCRIPTOR")
    address = "" if media is None else media.get("RELATIVE_MEDIA_URL") or media.get("MEDIA_URL", "")
    if not address:
        raise ArchiveError(path, "names no video", do="Link the video in ELAN, and save it again")
    video = unquote(address.rpartition("/")[2])
    times = {
        slot.get("TIME_SLOT_ID", ""): slot.get("TIME_VALUE") for slot in root.iter("TIME_SLOT")
    }
    faults, found = FaultList(), list[Annotation]()
    for tier in _chosen(path, root, tiers):
        for one in tier.iter("ALIGNABLE_ANNOTATION"):
            where = f"{path}, annotation {one.get('ANNOTATION_ID')}"
            ends = [times.get(one.get(f"TIME_SLOT_REF{k}", "")) for k in (1, 2)]
            label = (one.findtext("ANNOTATION_VALUE") or "").strip()
            if None in ends or not label:
                wrong = "no times" if None in ends else "no word in it"
                faults.errors.append(ArchiveError(where, wrong))
                continue
            start, end = (int(str(value)) / 1000 for value in ends)
            subject = tier.get("PARTICIPANT") or None
            found.append(Annotation(where, video, label, start, end, subject=subject))
    faults.raise_any(path)
    return found


def _chosen(
    path: Path, root: ElementTree.Element, wanted: Collection[str]
) -> list[ElementTree.Element]:
    tiers = {
        tier.get("TIER_ID", ""): tier for tier in root.iter("TIER")
        if tier.find("ANNOTATION/ALIGNABLE_ANNOTATION") is not None
    }  # fmt: skip
    if not wanted and len(tiers) != 1:
        raise ArchiveError(
            path, f"{len(tiers)} tiers with times", expected="one, or a choice by --tier",
            found=", ".join(tiers)[:120],
        )  # fmt: skip
    return [tier for name, tier in tiers.items() if not wanted or name in wanted]
