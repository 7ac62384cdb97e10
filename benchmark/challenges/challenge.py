"""Challenges: which file each leaderboard takes. One YAML file per challenge, beside this module.

An edition says which data, a challenge says which file: several years of a challenge ask for the
same clips in different forms. An edition without a file of its name here takes the plain form.
`docs/formats.md` describes every key.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, model_validator

from benchmark.core.errors import ParamsError
from benchmark.core.files import inside
from benchmark.core.schema import Line, Positive, Strict, read_yaml
from benchmark.editions.edition import Edition, edition_names, listed_ids, read_edition

FOLDER = Path(__file__).parent


class Column(Strict):
    """A column of predictions."""

    level: Literal["class", "group"]
    """A class of the edition, or the body part of one."""
    rank: Positive
    """1 for the most probable class, or for the body part of that class."""


class OtherForm(Strict):
    """Another name and header of the same file, where sources disagree."""

    file: str
    header: tuple[str, ...]


class Form(Strict):
    """The file that a leaderboard takes."""

    file: str
    """Name of the CSV inside the zip."""
    zip: str
    """Name of the zip."""
    header: tuple[str, ...] | None
    """Column names of the first line; null where it wants none."""
    columns: tuple[Column, ...] = Field(min_length=1)
    """Columns after the clip id."""
    label_base: int
    """Number in the file for index 0 of a class or a body part."""
    id_suffix: str
    """Text that the file appends to our clip id, such as .mp4."""
    also: tuple[OtherForm, ...] = ()
    """Forms that the check accepts as well; we write none of them."""

    @model_validator(mode="after")
    def _fits(self) -> Form:
        if self.header is not None and len(self.header) != 1 + len(self.columns):
            raise ValueError("header must name the clip id and every column")
        # Both become paths below the submission's folder: '../x' must not leave it.
        for name in (self.file, self.zip):
            inside(FOLDER, name)
        return self

    def others(self) -> list[Form]:
        """List the forms of `also`, each as a whole form."""
        return [self.model_copy(update={**dict(form), "also": ()}) for form in self.also]


class EditionIds(Strict):
    """The test clips of the edition, in its order."""

    kind: Literal["edition"]


class NumberedIds(Strict):
    """Clips that the challenge renumbered, from 0."""

    kind: Literal["numbered"]
    prefix: str
    digits: Positive
    count: Positive


class Kaggle(Strict):
    """Kaggle takes the file, through its client or its page."""

    kind: Literal["kaggle"]
    competition: str | None
    """Name in the address of its page; null where we do not know it."""


class ByHand(Strict):
    """The user uploads the file on a page."""

    kind: Literal["by_hand"]
    page: str


Ids: TypeAlias = Annotated[EditionIds | NumberedIds, Field(discriminator="kind")]
Place: TypeAlias = Annotated[Kaggle | ByHand, Field(discriminator="kind")]


class Challenge(Strict):
    """One leaderboard."""

    name: str
    title: str
    edition: str
    """Edition whose classes, body parts and test clips it asks for."""
    source: str
    """Where we read the form."""
    assumed: str | None
    """Assumptions that nobody has confirmed; null where we saw the form."""
    ranking: Line
    """Score that ranks the teams, and what decides between equal ones."""
    place: Place
    ids: Ids
    form: Form


def read_challenge(name: str) -> Challenge:
    """Read the challenge called `name`; an edition without such a file takes the plain form.

    Raises:
        ParamsError: There is no such challenge or edition, or its file breaks the schema.
    """
    path = FOLDER / f"{name}.yaml"
    if name not in challenge_names():
        raise ParamsError(
            "challenge", f"no challenge '{name}'", expected="one of " + ", ".join(challenge_names())
        )
    if not path.is_file():
        return _plain(read_edition(name))
    challenge = read_yaml(path, Challenge)
    # A copied file that kept its old name would record submissions under that one.
    if challenge.name != name:
        raise ParamsError(path, "name differs from the file's", expected=name, found=challenge.name)
    return challenge


def challenge_names() -> list[str]:
    """List every challenge and every edition, sorted."""
    return sorted({path.stem for path in FOLDER.glob("*.yaml")} | set(edition_names()))


def published_ids(challenge: Challenge) -> list[str] | None:
    """List our ids of its clips in its order; None where nobody published them."""
    if isinstance(challenge.ids, NumberedIds):
        ids = challenge.ids
        return [f"{ids.prefix}{number:0{ids.digits}d}" for number in range(ids.count)]
    return listed_ids(read_edition(challenge.edition), "test")


def _plain(edition: Edition) -> Challenge:
    """Give an edition without a file of its own the form that most leaderboards take."""
    return Challenge(
        name=edition.name,
        title=edition.title,
        edition=edition.name,
        source=edition.source,
        assumed=None,
        ranking="top-1",
        place=ByHand(kind="by_hand", page="none known"),
        ids=EditionIds(kind="edition"),
        form=Form(
            file="prediction.csv",
            zip="prediction.zip",
            header=("Id", "Target"),
            columns=(Column(level="class", rank=1),),
            label_base=0,
            id_suffix="",
        ),
    )
