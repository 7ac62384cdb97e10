"""A trained system as one file: networks, fusion, classes and preprocessing, without a pickle.

The file is a zip of `system.json` and `networks/*.safetensors`, stored uncompressed. The JSON names
every other file with its size and SHA-256; an archive that holds anything else is refused.
"""

from __future__ import annotations

import errno
import re
import shutil
import zipfile
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from benchmark.contracts.skeletons import Layout, write_layout
from benchmark.core.errors import BenchmarkError, FormatError, ParamsError
from benchmark.core.files import replacing, replacing_folder, scratch_folder
from benchmark.core.foreign_file import DAMAGED_ZIP
from benchmark.core.half_precision import CARD, ZOO_NAME, systems_folder
from benchmark.core.pinned_file import Sha256, sha256
from benchmark.core.schema import Line, Positive, Strict, read_json, write_json
from benchmark.editions.edition import Edition
from benchmark.inference.systems import Member, System, ValScore, with_levels
from benchmark.params.recipes import Recipe
from benchmark.tracking.records import origin
from benchmark.weights.model_folder import (
    WEIGHTS,
    ModelMetadata,
    Network,
    read_weights,
    write_tensors,
)
from submission.fusion.fitted import BlendParameters, parameters_of

FORMAT = "system/2"
NAME = re.compile(r"[a-z][a-z0-9_]{0,49}")
LARGEST_CARD, LARGEST = 2**24, 2**35
"""Bytes of the card, and of a whole archive."""
TOLD = ("git.commit", "git.dirty", "python", "version.torch")
"""What the card tells of the machine that exported it."""
DO = "Export it again with this version, or ask whoever made it for another copy"


class NetworkFile(Strict):
    """A network of the archive."""

    file: Annotated[str, Field(pattern=r"^networks/[a-z][a-z0-9_]*-[0-9]+\.safetensors$")]
    size: Positive
    sha256: Sha256
    model: ModelMetadata


class MemberCard(Strict):
    """A stream of the archive: one network, or one per fold."""

    networks: tuple[NetworkFile, ...] = Field(min_length=1)
    mean: Literal["arithmetic", "geometric"]
    recipe: Recipe
    layout: Layout | None
    """Keypoints of an own layout; null for others."""


class SystemCard(Strict):
    """system.json."""

    format: Literal["system/2"]
    name: Annotated[str, Field(pattern=f"^{NAME.pattern}$")]
    license: Line
    edition: Edition
    members: dict[Annotated[str, Field(pattern=f"^{NAME.pattern}$")], MemberCard]
    blend: BlendParameters
    calibration: ValScore | None
    provenance: dict[str, str]


def export_system(system: System, path: Path, *, license: str) -> SystemCard:
    """Write a system as one file.

    Args:
        system: From `open_system` or `open_zoo`.
        path: The zip to write.
        license: Of the weights, for the card.

    Raises:
        FormatError: A model is damaged, or a manifest whose depth scale is needed is missing.
    """
    with replacing(path) as target, scratch_folder(path) as work:
        (work / "networks").mkdir()
        members = {name: _packed(system, name, work) for name in sorted(system.members)}
        told = origin(system.root)
        card = SystemCard(
            format=FORMAT, name=system.name, license=license, edition=system.edition,
            members=members,
            blend=BlendParameters.model_validate(parameters_of(system.blend, sorted(members))),
            calibration=system.val_score,
            provenance={key: told[key] for key in TOLD if key in told},
        )  # fmt: skip
        write_json(work / CARD, card)
        with zipfile.ZipFile(target, "w") as archive:
            for file in (CARD, *sorted(one.file for one in _files(card))):
                info = zipfile.ZipInfo(file)  # of 1980: equal systems give equal bytes
                info.file_size = (work / file).stat().st_size  # above 2 GiB, zip64 is needed
                with (work / file).open("rb") as source, archive.open(info, "w") as copy:
                    shutil.copyfileobj(source, copy)
    return card


def _packed(system: System, name: str, work: Path) -> MemberCard:
    member, networks = system.members[name], []
    for number, network in enumerate(member.networks):
        file = f"networks/{name}-{number}.safetensors"
        write_tensors(work / file, network.weights())
        modality = with_levels(network.metadata.modality, member.prepared)
        networks.append(
            NetworkFile(
                file=file, size=(work / file).stat().st_size, sha256=sha256(work / file),
                model=network.metadata.model_copy(update={"modality": modality}),
            )
        )  # fmt: skip
    own = getattr(member.metadata.modality, "layout", "") == "own"
    layout = system.layout if own and member.metadata.modality.needs_points else None
    return MemberCard(
        networks=tuple(networks), mean=member.mean, recipe=member.recipe, layout=layout
    )


def _files(card: SystemCard) -> Iterator[NetworkFile]:
    for member in card.members.values():
        yield from member.networks


def install_system(path: Path, name: str | None = None) -> SystemCard:
    """Check an archive and unpack it for `mgbench predict --with NAME`.

    Args:
        path: A zip of `export_system`.
        name: Another name than the card's.

    Raises:
        FormatError: It is no such archive, of another version, damaged, or holds anything else.
        ParamsError: The name is none.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            card = _checked(archive, path)
            if not NAME.fullmatch(name := name or card.name) or name == ZOO_NAME:
                raise ParamsError("NAME", f"'{name}' is no name", expected="letters, digits and _")
            systems_folder().mkdir(parents=True, exist_ok=True)
            with replacing_folder(systems_folder() / name) as work:
                _unpack(archive, card, work, path)
    except DAMAGED_ZIP as error:
        raise FormatError(path, f"cannot be read as a zip ({error})", do=DO) from None
    except OSError as error:
        # The places in a damaged zip are invalid; a full disk or a refusal is not the archive's.
        if error.errno != errno.EINVAL:
            raise
        raise FormatError(path, f"cannot be read as a zip ({error})", do=DO) from None
    return card


def _checked(archive: zipfile.ZipFile, path: Path) -> SystemCard:
    """Read the card, and make sure that the archive holds what it names and nothing else."""
    entries = archive.infolist()
    sizes = {info.filename: info.file_size for info in entries}
    if CARD not in sizes or sizes[CARD] > LARGEST_CARD:
        raise FormatError(path, f"no exported system: {CARD} is missing or too large", do=DO)
    # Stored, not compressed: no few bytes unfold to a full disk.
    if any(info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1 for info in entries):
        raise FormatError(path, "holds compressed or encrypted files", do=DO)
    try:
        card = SystemCard.model_validate_json(archive.read(CARD))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"])) or CARD
        raise FormatError(
            path, f"not a system of this version: {key}: {first['msg']}", expected=FORMAT, do=DO
        ) from None
    wanted = {one.file: one.size for one in _files(card)} | {CARD: sizes[CARD]}
    if sizes != wanted or len(entries) != len(wanted):
        odd = sorted({*sizes.items()} ^ {*wanted.items()})
        what = f", the first is {odd[0][0]!r}" if odd else ": a file comes twice"
        raise FormatError(path, f"holds other files than its card names{what}", do=DO)
    if sum(sizes.values()) > LARGEST:
        raise FormatError(path, "too large", expected=f"{LARGEST} bytes at most", do=DO)
    if {*card.members} != {*card.blend.weights}:
        raise FormatError(path, "its fusion is of other members", do=DO)
    if {one.model.classes for one in _files(card)} != {card.edition.classes}:
        raise FormatError(path, "its networks are of other classes than its edition", do=DO)
    return card


def _unpack(archive: zipfile.ZipFile, card: SystemCard, work: Path, path: Path) -> None:
    for one in _files(card):
        folder = work / Path(one.file).stem
        folder.mkdir()
        with archive.open(one.file) as source, (folder / WEIGHTS).open("wb") as copy:
            shutil.copyfileobj(source, copy)
        if sha256(folder / WEIGHTS) != one.sha256:
            raise FormatError(path, f"{one.file} is damaged: another SHA-256", do=DO)
    write_json(work / CARD, card)
    _check_networks(_opened(work), path)


def _check_networks(system: System, path: Path) -> None:
    """Build every network once: `mgbench predict` shall not be the first to find a fault."""
    for name, member in system.members.items():
        for network in member.networks:
            try:
                network.build(system.layout, where=f"{path}: {name}", do=DO)
            except FormatError:
                raise
            except (BenchmarkError, ValueError) as error:
                raise FormatError(path, f"{name}: no such network ({error})", do=DO) from None


def open_installed(name: str) -> System:
    """Open an installed system.

    Raises:
        FormatError: A file of it is missing or damaged.
    """
    return _opened(systems_folder() / name)


def _opened(folder: Path) -> System:
    card = read_json(folder / CARD, SystemCard, what="an installed system", do=DO)
    members = {}
    for key, member in card.members.items():
        networks = tuple(
            Network(one.model, cache(partial(read_weights, folder / Path(one.file).stem)))
            for one in member.networks
        )
        prepared = folder / f"{key}-points"
        if member.layout is not None:
            points = networks[0].metadata.modality.keypoints_folder(prepared)
            points.mkdir(parents=True, exist_ok=True)
            write_layout(member.layout, points)
        members[key] = Member(networks, prepared, member.recipe, member.mean)
    blend, score = card.blend.blend(), card.calibration
    return System(card.name, Path.cwd(), card.edition, members, blend, score)
