"""Folds in params.yaml: which experiments are trained once per fold, and the entries of the graph.

DVC cannot count to K by itself. So `mgbench edition folds` writes one entry per training of a fold
into section `fold_graph`, and the file is refused where the section is not what `folds` asks for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import Field, StringConstraints, model_validator

from benchmark.core.pinned_file import WeightsFile
from benchmark.core.schema import Seed, Strict
from benchmark.editions.splits import OOF, REFIT, Groups

if TYPE_CHECKING:
    from benchmark.params.params import Experiment, Merge, Params

FoldKey: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*-(fold\d+|all)$")]
"""Of a training of one fold, as `joint-fold2`; `joint-all` trains on all clips."""
MOST_FOLDS = 20
DO = "run 'mgbench edition folds'"


class Folds(Strict):
    """How the labeled clips of one edition are dealt into folds, and what is trained on them."""

    groups: Groups
    """Clips of one video, or of one person, are always in the same fold."""
    number: Annotated[int, Field(ge=2, le=MOST_FOLDS)]
    """Folds."""
    seed: Seed
    """Of the draw."""
    over: tuple[Literal["train", "val"], ...] = Field(min_length=1)
    """Splits that are dealt into folds: [train, val], or [train] to keep validation apart."""
    lone_classes: Literal["refuse", "keep"]
    """What to do about a class whose clips are all of one group: out of fold it is never right."""
    mean: Literal["arithmetic", "geometric"]
    """How the probabilities of test are averaged over the networks of all folds."""
    refit: bool
    """Whether each experiment is also trained once on all clips (`joint-all`)."""
    experiments: tuple[str, ...] = Field(min_length=1)
    """Experiments to train once per fold."""
    file: WeightsFile | None = None
    """Folds of your own instead of drawn ones: a CSV with the columns clip_id and fold."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the trainings of one experiment: fold0, fold1, ..., and all."""
        return (*(f"fold{k}" for k in range(self.number)), *([REFIT] if self.refit else []))

    @model_validator(mode="after")
    def _names_each_once(self) -> Folds:
        if "train" not in self.over:
            raise ValueError("over must name train")
        for key in ("over", "experiments"):
            if len({*getattr(self, key)}) < len(getattr(self, key)):
                raise ValueError(f"{key} names an entry twice")
        return self


class FoldRun(Strict):
    """One training of one fold; all but `experiment` and `fold` is copied from the experiment."""

    experiment: str
    """The experiment."""
    fold: str
    """What it does not learn from: fold0, fold1, ...; or `all`, which leaves out nothing."""
    edition: str
    """Its edition."""
    modality: str
    """Entry of `modalities` that it reads."""
    init_from: str
    """Initial weights: those of the same fold where they are of the same edition."""
    recipe: str
    """Entry of `recipes` to train with."""


class FoldMerge(Strict):
    """Initial weights of a two-pathway network, merged from two models of the same fold."""

    rgb: str
    """Model of the RGB pathway."""
    pose: str
    """Model of the pose pathway."""


class FoldJoin(Strict):
    """An experiment whose folds are joined."""

    edition: str
    """Its edition."""


class FoldGraph(Strict):
    """Entries of the graph that follow from `folds`: `mgbench edition folds` writes them."""

    runs: dict[FoldKey, FoldRun] = Field(default_factory=dict)
    """Stages `train_fold` and `predict_fold`."""
    merges: dict[FoldKey, FoldMerge] = Field(default_factory=dict)
    """Stage `merge_fold`."""
    joins: dict[str, FoldJoin] = Field(default_factory=dict)
    """Stage `join_folds`."""


def fold_graph(
    folds: Mapping[str, Folds], experiments: Mapping[str, Experiment], merges: Mapping[str, Merge]
) -> FoldGraph:
    """List the entries of the graph that section `folds` asks for.

    A start of the same edition becomes that of the same fold; any other start stays.
    """
    runs, merged, joins = {}, {}, {}
    asked = [
        (edition, name, fold)
        for edition, spec in folds.items() for name in spec.experiments if name in experiments
        for fold in spec.labels
    ]  # fmt: skip
    for edition, name, fold in asked:
        run, joins[name] = experiments[name], FoldJoin(edition=edition)
        of_fold = {
            key: f"{key}-{fold}" for key, each in experiments.items() if each.edition == edition
        }
        start, merge = of_fold.get(run.init_from, run.init_from), merges.get(run.init_from)
        if merge is not None and {merge.rgb, merge.pose} & of_fold.keys():
            start = f"{run.init_from}-{fold}"
            rgb, pose = (of_fold.get(one, one) for one in (merge.rgb, merge.pose))
            merged[start] = FoldMerge(rgb=rgb, pose=pose)
        runs[f"{name}-{fold}"] = FoldRun(
            experiment=name, fold=fold, edition=edition, modality=run.modality, init_from=start,
            recipe=run.recipe,
        )  # fmt: skip
    return FoldGraph(runs=runs, merges=merged, joins=joins)


def fold_faults(params: Params) -> Iterator[str]:
    """Find folds of unknown experiments, starts that have seen every clip, and a stale graph."""
    found = False
    for edition, folds in params.folds.items():
        where = f"folds.{edition}"
        if edition not in params.editions:
            found = True
            yield f"{where}: no entry '{edition}' in editions"
        for name in folds.experiments:
            experiment = params.experiments.get(name)
            if experiment is None or experiment.edition != edition:
                found = True
                yield f"{where}.experiments: no experiment '{name}' of edition '{edition}'"
                continue
            for start in _unfolded(params, name):
                yield (
                    f"{where}.experiments: '{name}' starts from '{start}', which has seen the clips"
                    f" of every fold; add '{start}' to the list, or start from something else"
                )
    for key, fusion in params.oof_fusions.items():
        yield from _unfused(f"oof_fusions.{key}.members", fusion.members, fusion.edition, params)
    yield from _unscored(params)
    for name in params.oof_fusions.keys() & params.fusions.keys():
        yield f"oof_fusions.{name}: an entry of fusions has the same name; rename one of them"
    wanted = fold_graph(params.folds, params.experiments, params.merges)
    if not found and wanted != params.fold_graph:
        yield f"fold_graph: is not what folds and experiments ask for; {DO}"


def _unfolded(params: Params, name: str) -> Iterator[str]:
    """Yield the experiments of the edition that a folded one starts from, but that are not folded.

    A start by way of another edition's experiment counts too: that one is not trained per fold.
    """
    edition = params.experiments[name].edition
    folded = params.folds[edition].experiments
    todo, seen = [(name, True)], {name}
    while todo:
        key, per_fold = todo.pop()
        start = params.experiments[key].init_from if key in params.experiments else key
        merge = params.merges.get(start)
        for one in (merge.rgb, merge.pose) if merge else (start,):
            if one not in params.experiments or one in seen:
                continue
            seen.add(one)
            is_here = params.experiments[one].edition == edition
            if is_here and not (per_fold and one in folded):
                yield one
            todo.append((one, per_fold and is_here))


def _unscored(params: Params) -> Iterator[str]:
    """Find rows, subsets and an analysis out of fold of what has no such scores, and the reverse.

    Published numbers are of the official split: none stands beside a score out of fold.
    """
    table, analysis = params.table, params.analysis
    uses = [("table.subsets", table.subset_scores, table.edition, table.subsets)]
    uses.append(("analysis.members", analysis.scores, analysis.edition, analysis.members))
    uses.append(("analysis.source", analysis.scores, analysis.edition, (analysis.source,)))
    for row in table.rows:
        where, names = f"table row '{row.name}'", (*(row.members or (row.source,)), *row.repeats)
        uses.append((where, row.scores, table.edition, tuple(filter(None, names))))
        if row.scores == OOF and row.paper_top1 is not None:
            yield f"{where}: paper_top1 is of the official split, not out of fold"
    for where, scores, edition, names in uses:
        folds = params.folds.get(edition)
        for name in names:
            has_oof = name in params.oof_fusions or (folds and name in folds.experiments)
            if scores == OOF and not has_oof:
                yield f"{where}: '{name}' has no scores out of fold: see folds.{edition}"
            if scores != OOF and name in params.oof_fusions:
                yield f"{where}: '{name}' is fitted out of fold; set scores: oof"


def _unfused(where: str, members: tuple[str, ...], edition: str, params: Params) -> Iterator[str]:
    folds = params.folds.get(edition)
    for name in members:
        if folds is None or name not in folds.experiments:
            yield f"{where}: '{name}' is not in folds.{edition}.experiments"
