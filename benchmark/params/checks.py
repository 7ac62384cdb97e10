"""Consistency checks of params.yaml: names that are not defined, entries that do not fit."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from difflib import get_close_matches
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from benchmark.challenges.challenge import NumberedIds, challenge_names, read_challenge
from benchmark.core.errors import ParamsError
from benchmark.core.half_precision import ZOO_NAME, shipped_names
from benchmark.editions.edition import edition_names, read_edition
from benchmark.params.folds import fold_faults

if TYPE_CHECKING:
    from benchmark.params.params import Params, TableRow
    from benchmark.params.recipes import Recipe

STREAMS = "experiments or external"
PICTURES = ("rgb", "person_crop")
"""Modalities whose pixels are colors; turned or brighter values of others would be wrong ones."""
SOURCES = "experiments, external or fusions"


def find_problems(params: Params) -> list[str]:
    """List every problem of a file whose values are valid one by one, one line per problem."""
    checks = (
        _check_editions, _check_previews, _check_experiments, _check_pretraining,
        _check_initial_weights, _check_fusions, _check_table, _check_repeats, _check_submissions,
        _check_analysis, _check_scored, _check_online, fold_faults,
    )  # fmt: skip
    return [problem for check in checks for problem in check(params)]


def check_system(name: str, params: Params) -> None:
    """Make sure that a name is that of an experiment, or of a fusion of experiments alone.

    Raises:
        ParamsError: It is none: nothing of it can look at a video.
    """
    if name in params.every_fusion:
        members = params.every_fusion[name].members
        foreign = [member for member in members if member in params.external]
        if foreign:
            wrong = f"'{name}' needs {', '.join(foreign)}: scores of another program, not a network"
            raise ParamsError("params.yaml", wrong, do="Choose a fusion of experiments alone")
    elif name not in params.experiments:
        if name in params.online:
            wrong = f"'{name}' finds gestures in whole videos: no network of its own"
            do = f"Name the network that it uses, '{params.online[name].source}'"
            raise ParamsError("params.yaml", wrong, do=do)
        known = [ZOO_NAME, *params.every_fusion, *params.experiments, *params.online]
        names = ", ".join(known)
        wrong = f"no fusion or experiment '{name}'"
        raise ParamsError("params.yaml", wrong, expected=f"one of {names}")


def _missing(where: str, name: str, section: str, names: Collection[str]) -> Iterator[str]:
    if name not in names:
        near = get_close_matches(name, names, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        yield f"{where}: no entry '{name}' in {section}{hint}"


def _check_editions(params: Params) -> Iterator[str]:
    used = {f"editions.{name}": name for name in params.editions}
    sections = ("modalities", "windows", "previews", "experiments", "external", "fusions",
                "submissions", "online")  # fmt: skip
    for section in sections:
        entries = getattr(params, section)
        used |= {f"{section}.{key}.edition": entry.edition for key, entry in entries.items()}
    used["table.edition"] = params.table.edition
    used["analysis.edition"] = params.analysis.edition
    names = edition_names()
    places: dict[str, list[str]] = {}
    for where, name in used.items():
        places.setdefault(name, []).append(where)
    # One line per edition, however many entries name it.
    for name, (first, *others) in places.items():
        more = f"; {len(others)} more entries name it" if others else ""
        for line in _missing(first, name, "editions or benchmark/editions", names):
            yield line + more
        # Section `editions` says which ones stage index reads.
        if name in names and name not in params.editions:
            yield f"{first}: no entry '{name}' in editions{more}"


def _check_previews(params: Params) -> Iterator[str]:
    # Stage report shows reports/modalities/<edition>, which stage previews writes per key.
    if params.analysis.edition not in params.previews:
        yield f"previews: no entry '{params.analysis.edition}', which the report shows"
    for key, previews in params.previews.items():
        wanted = dict.fromkeys(previews.videos, "video")
        wanted |= {previews.skeleton: "keypoints"} if previews.skeleton else {}
        for name, content in wanted.items():
            spec = params.modalities.get(name)
            if spec is None or (spec.content, spec.edition) != (content, previews.edition):
                what = f"'{name}' with {content} of edition '{previews.edition}'"
                yield f"previews.{key}: no modality {what}"


def _check_experiments(params: Params) -> Iterator[str]:
    modalities = params.modalities
    for key, experiment in params.experiments.items():
        where, name, edition = f"experiments.{key}", experiment.modality, experiment.edition
        yield from _missing(f"{where}.modality", name, "modalities", modalities)
        modality, kind = modalities.get(name), experiment.input.kind
        if modality and modality.content not in experiment.input.reads:
            cannot = f"cannot read modality '{name}' of kind '{modality.kind}'"
            yield f"{where}.modality: input '{kind}' {cannot}"
        elif modality and modality.edition != edition:
            belongs = f"belongs to edition '{modality.edition}', the experiment to '{edition}'"
            yield f"{where}.modality: '{name}' {belongs}"
        yield from _missing(f"{where}.recipe", experiment.recipe, "recipes", params.recipes)
        augmented = getattr(experiment.input, "augmentation", None)
        if modality and augmented and modality.kind not in PICTURES:
            yield f"{where}.input.augmentation: only of pictures ({', '.join(PICTURES)})"
        recipe = params.recipes.get(experiment.recipe)
        if recipe and recipe.mixes and not experiment.input.mixes:
            mixing = f"'{experiment.recipe}' mixes clips"
            yield f"{where}.recipe: {mixing}; input '{kind}' cannot be mixed"
        grouped = experiment.head == "groups" or (recipe and recipe.group_loss)
        if grouped and edition in edition_names() and len(read_edition(edition).groups) < 2:
            yield f"{where}: head or loss of groups, but edition '{edition}' has one group"
        if recipe and experiment.backbone.options > 1:
            yield from _check_grid(where, experiment.recipe, recipe)
        for problem in experiment.backbone.faults(experiment.input):
            yield f"{where}.{problem}"


def _check_grid(where: str, name: str, recipe: Recipe) -> Iterator[str]:
    """Find what would let networks that train side by side disturb each other."""
    if recipe.optimizer.kind != "adamw":
        yield f"{where}.recipe: a grid of probes needs optimizer adamw, not that of '{name}'"
    if recipe.grad_clip is not None:
        yield f"{where}.recipe: '{name}' clips one gradient of all probes; set grad_clip to null"


def _check_pretraining(params: Params) -> Iterator[str]:
    for key, windows in params.windows.items():
        where, modality = f"windows.{key}", params.modalities.get(windows.modality)
        yield from _missing(f"{where}.modality", windows.modality, "modalities", params.modalities)
        if modality and modality.content not in ("video", "person"):
            yield f"{where}.modality: '{windows.modality}' stores no video"
        elif modality and modality.edition != windows.edition:
            belongs = f"belongs to edition '{modality.edition}', the windows to"
            yield f"{where}.modality: '{windows.modality}' {belongs} '{windows.edition}'"
    for key, entry in params.pretraining.items():
        yield from _missing(f"pretraining.{key}.windows", entry.windows, "windows", params.windows)
        starts = ["scratch", *params.pretraining, *params.pretrained]
        where, section = f"pretraining.{key}.init_from", "pretraining or pretrained"
        yield from _missing(where, entry.init_from, section, starts)
        for problem in entry.backbone.faults(entry.input):
            yield f"pretraining.{key}.{problem}"


def _check_initial_weights(params: Params) -> Iterator[str]:
    # All of them write models/<name>, so one name may stand in one section only.
    sources = [
        "scratch", *params.experiments, *params.merges, *params.pretraining, *params.pretrained
    ]  # fmt: skip
    zoo = [f"zoo/{name}" for name in shipped_names()]
    for name in sorted({name for name in sources if sources.count(name) > 1}):
        yield f"'{name}' is used twice: experiments, merges, pretraining and pretrained share names"
    if "zoo" in sources:
        yield "'zoo' is the folder of the networks that ship: rename the entry of that name"
    for key, merge in params.merges.items():
        for pathway, name in (("rgb", merge.rgb), ("pose", merge.pose)):
            yield from _missing(f"merges.{key}.{pathway}", name, "experiments", params.experiments)
    for key, experiment in params.experiments.items():
        where = f"experiments.{key}.init_from"
        section = "experiments, merges, pretraining, pretrained or zoo/"
        yield from _missing(where, experiment.init_from, section, [*sources, *zoo])
    parents = {key: [experiment.init_from] for key, experiment in params.experiments.items()}
    parents |= {key: [merge.rgb, merge.pose] for key, merge in params.merges.items()}
    parents |= {key: [entry.init_from] for key, entry in params.pretraining.items()}
    # DVC refuses a cycle too, but names the stages of its graph instead of these keys.
    try:
        TopologicalSorter(parents).prepare()
    except CycleError as error:
        yield f"experiments: init_from forms a cycle: {' -> '.join(error.args[1])}"


def _check_fusions(params: Params) -> Iterator[str]:
    # All of them are named by one key: `source` of a row, members of a fusion.
    for name in params.external.keys() & params.experiments.keys():
        yield f"external.{name}: an experiment has the same name; rename one of them"
    for key, fusion in params.every_fusion.items():
        where = _fusion(params, key)
        if key in params.streams:
            yield f"{where}: a stream has the same name; rename one of them"
        for name in fusion.members:
            yield from _missing(f"{where}.members", name, STREAMS, params.streams)
        for problem in fusion.rule.faults(fusion.members):
            yield f"{where}.rule.{problem}"


def _fusion(params: Params, key: str) -> str:
    return f"{'fusions' if key in params.fusions else 'oof_fusions'}.{key}"


def _check_table(params: Params) -> Iterator[str]:
    sources = (*params.streams, *params.every_fusion)
    for row in params.table.rows:
        for name in filter(None, row.members or (row.source,)):
            yield from _missing(_row(row), name, SOURCES, sources)
    for name in params.table.subsets:
        yield from _missing("table.subsets", name, STREAMS, params.streams)
    yield from _repeated("table.rows", [row.name for row in params.table.rows])
    # A published number beside a score on synthetic clips would look like a comparison.
    edition = params.table.edition
    if edition in edition_names() and not read_edition(edition).comparable:
        for row in params.table.rows:
            if row.paper_top1 is not None:
                yield f"{_row(row)}: paper_top1 is not comparable with edition '{edition}'"


def _row(row: TableRow) -> str:
    return f"table row '{row.name}'"


def _check_repeats(params: Params) -> Iterator[str]:
    """Find repeats that are not their source with another seed."""
    experiments = params.experiments
    for row in params.table.rows:
        source, where = experiments.get(row.source or ""), f"{_row(row)}.repeats"
        for name in row.repeats:
            repeat = experiments.get(name)
            if repeat is None or source is None:
                yield f"{where}: source and '{name}' must be experiments"
            # The spread over the repeats must come from the seed alone.
            elif repeat.model_copy(update={"seed": source.seed}) != source:
                yield f"{where}: '{name}' differs from '{row.source}' in more than the seed"
        trained = [experiments[name] for name in (row.source, *row.repeats) if name in experiments]
        seeds = [params.seed if run.seed is None else run.seed for run in trained]
        if row.repeats and len(set(seeds)) < len(seeds):
            yield f"{where}: seeds must differ; found {', '.join(map(str, seeds))}"


def _check_submissions(params: Params) -> Iterator[str]:
    sources = (*params.streams, *params.every_fusion)
    for key, entry in params.submissions.items():
        where = f"submissions.{key}"
        yield from _missing(f"{where}.source", entry.source, SOURCES, sources)
        names, folder = challenge_names(), "benchmark/challenges"
        yield from _missing(f"{where}.challenge", entry.challenge, folder, names)
        if entry.challenge not in names:
            continue
        challenge = read_challenge(entry.challenge)
        if challenge.edition != entry.edition:
            yield f"{where}.challenge: '{entry.challenge}' takes edition '{challenge.edition}'"
        elif isinstance(challenge.ids, NumberedIds):
            yield (
                f"{where}.challenge: the clips of '{entry.challenge}' are not in any edition;"
                " import scores for them with 'mgbench scores import', then run"
                " 'mgbench submit write'"
            )


def _check_analysis(params: Params) -> Iterator[str]:
    spec = params.analysis
    sources = (*params.streams, *params.every_fusion)
    yield from _missing("analysis.source", spec.source, SOURCES, sources)
    for name in spec.members:
        yield from _missing("analysis.members", name, STREAMS, params.streams)
    # Stage report shows the table and the analysis on one page.
    if spec.edition != params.table.edition:
        yield f"analysis.edition: must be the edition of the table, '{params.table.edition}'"
        return
    modality = params.modalities.get(spec.modality)
    if modality is None or modality.edition != spec.edition:
        wanted = f"'{spec.modality}' of edition '{spec.edition}'"
        yield f"analysis.modality: no entry {wanted} in modalities"


def _check_scored(params: Params) -> Iterator[str]:
    """Find scores of other clips than their reader's, and members that would count twice."""
    scored = {**params.experiments, **params.external, **params.every_fusion}
    table, analysis = params.table, params.analysis
    uses = [
        (f"{_fusion(params, key)}.members", fusion.edition, fusion.members)
        for key, fusion in params.every_fusion.items()
    ]
    uses += [(_row(row), table.edition, row.members or (row.source or "",)) for row in table.rows]
    uses += [
        ("table.subsets", table.edition, table.subsets),
        ("analysis.source", analysis.edition, (analysis.source,)),
        ("analysis.members", analysis.edition, analysis.members),
    ]
    uses += [
        (f"submissions.{key}.source", entry.edition, (entry.source,))
        for key, entry in params.submissions.items()
    ]
    for where, edition, names in uses:
        yield from _repeated(where, names)
        for name in names:
            if name in scored and (belongs := scored[name].edition) != edition:
                yield f"{where}: '{name}' belongs to edition '{belongs}', not to '{edition}'"


def _repeated(where: str, names: Sequence[str]) -> Iterator[str]:
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"{where}: '{name}' comes twice"


def _check_online(params: Params) -> Iterator[str]:
    for key, entry in params.online.items():
        where, names = f"online.{key}", params.experiments
        # `mgbench predict --with` takes all of them.
        if key in {*params.streams, *params.every_fusion}:
            yield f"{where}: a stream or fusion has the same name; rename one of them"
        yield from _missing(f"{where}.source", entry.source, "experiments", names)
        source = names.get(entry.source)
        if source is not None and source.edition != entry.edition:
            yield f"{where}.source: '{entry.source}' belongs to edition '{source.edition}'"
        if entry.step > entry.window:
            yield f"{where}.step: longer than the window, so frames between windows are not seen"
