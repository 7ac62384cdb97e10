"""Whether the names in params.yaml fit together: each check returns its faults in words."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from benchmark.challenges.challenge import NumberedIds, challenge_names, read_challenge
from benchmark.editions.edition import edition_names, read_edition
from benchmark.modalities.depth.depth import DepthModality
from benchmark.modalities.depth.tiny_spec import TinyBackend
from submission.fusion.spec import Fixed

if TYPE_CHECKING:
    from benchmark.params.params import Params


def names_faults(params: Params) -> list[str]:
    """All of them: names that nobody defines, and entries that do not fit each other."""
    checks = (
        _unknown_editions, _people_faults, _media_faults, _experiment_faults, _start_faults,
        _fusion_faults, _source_faults, _table_faults, _repeat_faults, _challenge_faults,
        _analysis_faults,
    )  # fmt: skip
    return [fault for check in checks for fault in check(params)]


def _fusion_faults(params: Params) -> list[str]:
    faults = []
    for key, fusion in params.fusions.items():
        if key in params.experiments:
            faults.append(f"fusions.{key}: an experiment has the same name")
        faults += [
            f"fusions.{key}.members: no experiment '{member}'"
            for member in fusion.members
            if member not in params.experiments
        ]
        if isinstance(fusion.rule, Fixed) and set(fusion.rule.weights) != set(fusion.members):
            faults.append(f"fusions.{key}.rule.weights: must name exactly the members")
    return faults


def _source_faults(params: Params) -> list[str]:
    """Probabilities that are used and that nobody makes."""
    users = [
        (f"table row '{row.name}'", name)
        for row in params.table.rows
        for name in (row.members or (row.source,))
        if name is not None
    ]
    users += [(f"submissions.{key}", entry.source) for key, entry in params.submissions.items()]
    users.append(("analysis.source", params.analysis.source))
    known = {*params.experiments, *params.fusions}
    return [
        f"{user}: no '{name}' in experiments or fusions"
        for user, name in users
        if name not in known
    ]


def _table_faults(params: Params) -> list[str]:
    """Published numbers beside rows of other data, and experiments that nobody trains."""
    edition = params.table.edition
    faults = [
        f"{where}: no experiment '{name}'"
        for where, names in (
            ("table.subsets", params.table.subsets),
            ("analysis.members", params.analysis.members),
        )
        for name in names
        if name not in params.experiments
    ]
    if edition in edition_names() and not read_edition(edition).comparable:
        faults += [
            f"table row '{row.name}': published numbers are not of edition '{edition}'"
            for row in params.table.rows
            if row.paper_top1 is not None
        ]
    return faults


def _media_faults(params: Params) -> list[str]:
    """Each entry belongs where the stage that makes it looks for it."""
    faults = [
        f"estimates.{key}: modalities has an entry of the same name"
        for key in params.estimates
        if key in params.modalities
    ]
    for section in ("modalities", "estimates"):
        for key, spec in getattr(params, section).items():
            ours = isinstance(spec, DepthModality) and isinstance(spec.backend, TinyBackend)
            if ours != (section == "estimates"):
                right = "estimates" if ours else "modalities"
                faults.append(f"{section}.{key}.backend: belongs into section {right}")
    for key, sheets in params.previews.items():
        wanted = dict.fromkeys(sheets.videos, "video")
        wanted |= {sheets.skeleton: "keypoints"} if sheets.skeleton else {}
        faults += [
            f"previews.{key}: no modality '{name}' of edition '{sheets.edition}' with {content}"
            for name, content in wanted.items()
            if (spec := params.all_modalities.get(name)) is None
            or (spec.content, spec.edition) != (content, sheets.edition)
        ]
    return faults


def _experiment_faults(params: Params) -> list[str]:
    """Names that an experiment uses and nobody defines, and modality that its input cannot read."""
    faults = []
    for key, experiment in params.experiments.items():
        modality = params.all_modalities.get(experiment.modality)
        if modality is None:
            faults.append(
                f"experiments.{key}.modality: no entry '{experiment.modality}' in modalities or estimates"
            )
        elif modality.content not in experiment.input.reads:
            faults.append(
                f"experiments.{key}.modality: its input cannot read kind '{modality.kind}'"
            )
        elif modality.edition != experiment.edition:
            faults.append(f"experiments.{key}.modality: belongs to edition '{modality.edition}'")
        if experiment.recipe not in params.recipes:
            faults.append(f"experiments.{key}.recipe: no recipe '{experiment.recipe}'")
        told = experiment.backbone.faults(experiment.input)
        faults += [f"experiments.{key}.{fault}" for fault in told]
    return faults


def _start_faults(params: Params) -> list[str]:
    """Starts that nobody makes, names made twice, and experiments that start from each other."""
    made = ["scratch", *params.experiments, *params.merges, *params.pretrained]
    models = [*made, *params.tiny_depth]
    faults = [f"'{name}' is made twice: experiments, merges, pretrained and tiny_depth share names"
              for name in sorted({name for name in models if models.count(name) > 1})]  # fmt: skip
    before = {key: [experiment.init_from] for key, experiment in params.experiments.items()}
    for key, merge in params.merges.items():
        before[key] = [merge.rgb, merge.pose]
        faults += [
            f"merges.{key}.{path}: no experiment '{name}'"
            for path, name in (("rgb", merge.rgb), ("pose", merge.pose))
            if name not in params.experiments
        ]
    faults += [
        f"experiments.{key}.init_from: no '{experiment.init_from}' in experiments, merges or pretrained"
        for key, experiment in params.experiments.items()
        if experiment.init_from not in made
    ]
    try:
        TopologicalSorter(before).prepare()
    except CycleError as error:
        faults.append("experiments: start from each other: " + " -> ".join(error.args[1]))
    return faults


def _challenge_faults(params: Params) -> list[str]:
    """Challenges that are unknown, or of other data."""
    faults = []
    for key, entry in params.submissions.items():
        if entry.challenge not in challenge_names():
            faults.append(f"submissions.{key}.challenge: no challenge '{entry.challenge}'")
        elif (asks := read_challenge(entry.challenge).edition) != entry.edition:
            faults.append(f"submissions.{key}.challenge: asks for edition '{asks}'")
        elif isinstance(read_challenge(entry.challenge).ids, NumberedIds):
            faults.append(
                f"submissions.{key}.challenge: '{entry.challenge}' has clips of its own: import"
                " scores of them, then 'mgbench submit write'"
            )
    return faults


def _analysis_faults(params: Params) -> list[str]:
    """Modality of hard clips that are unknown or of other data."""
    spec = params.analysis
    if spec.edition != params.table.edition:
        return [f"analysis.edition: must be the table's, '{params.table.edition}'"]
    modality = params.all_modalities.get(spec.modality)
    if modality is not None and modality.edition == spec.edition:
        return []
    return [
        f"analysis.modality: no '{spec.modality}' of edition '{spec.edition}' in modalities or estimates"
    ]


def _repeat_faults(params: Params) -> list[str]:
    """Repeats that are unknown, or differ from their source in more than the seed."""
    faults = []
    for row in params.table.rows:
        source = params.experiments.get(row.source or "")
        for name in row.repeats:
            repeat = params.experiments.get(name)
            if repeat is None or source is None:
                faults.append(f"table row '{row.name}'.repeats: no experiment '{name}' to repeat")
            elif repeat.model_copy(update={"seed": source.seed}) != source:
                faults.append(f"table row '{row.name}'.repeats: '{name}' differs in more than seed")
        trained = [params.experiments[name] for name in (row.source, *row.repeats)
                   if name in params.experiments]  # fmt: skip
        seeds = [params.seed if one.seed is None else one.seed for one in trained]
        if row.repeats and len(set(seeds)) < len(seeds):
            told = ", ".join(map(str, seeds))
            faults.append(f"table row '{row.name}'.repeats: seeds must differ (they are {told})")
    return faults


def _people_faults(params: Params) -> list[str]:
    """People that nobody draws, and depth networks that nobody trains."""
    faults = [
        f"{section}.{key}.people: no '{entry.people}' in generated"
        for section in ("synthetic_ma52", "tiny_depth")
        for key, entry in getattr(params, section).items()
        if entry.people not in params.synthetic
    ]
    for key, modality in params.estimates.items():
        network = getattr(modality.backend, "network", "")
        if network not in {f"models/{name}" for name in params.tiny_depth}:
            faults.append(
                f"estimates.{key}.backend.network: no entry of tiny_depth makes {network}"
            )
    return faults


def _unknown_editions(params: Params) -> list[str]:
    known = edition_names()
    used = {f"editions.{name}": name for name in params.editions}
    for section in ("modalities", "estimates", "previews", "experiments", "fusions", "submissions"):
        entries = getattr(params, section)
        used |= {f"{section}.{key}.edition": entry.edition for key, entry in entries.items()}
    used["table.edition"] = params.table.edition
    used["analysis.edition"] = params.analysis.edition
    return [f"{where}: no edition '{name}'" for where, name in used.items() if name not in known]
