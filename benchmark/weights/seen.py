"""What the network of a fold has learned from: nobody can ask it about these clips honestly."""

from __future__ import annotations

from benchmark.core.errors import MismatchError
from benchmark.core.schema import Strict


class Seen(Strict):
    """The part `seen` of a model's metadata, and of initial weights that are merged from models."""

    folds: str
    """Digest of the folds."""
    fold: str
    """fold0, fold1, ..., or all."""
    groups: tuple[str, ...]
    """Videos or persons that it has learned from, sorted; its initial weights' are among them."""

    def check_unseen(self, groups: set[str], folds: str, *, where: object) -> None:
        """Make sure that none of `groups` was seen, and that the folds are those of `folds`.

        Raises:
            MismatchError: The network, which `where` names, is of other folds or has seen a group.
        """
        if self.folds != folds:
            raise MismatchError(
                where, "is of other folds than folds.parquet", expected=folds[:12],
                found=self.folds[:12], do="Run 'dvc repro' for the stage that makes it",
            )  # fmt: skip
        if both := sorted(groups & {*self.groups}):
            raise MismatchError(
                where, f"has seen {len(both)} of the {len(groups)} groups that are held out, the"
                f" first is {both[0]}", found=f"a network of {self.fold}",
                do="Use the model of the same fold",
            )  # fmt: skip
