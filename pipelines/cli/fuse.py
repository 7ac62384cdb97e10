"""`mgbench fuse`: fuse files of probabilities by given or fitted weights."""

from __future__ import annotations

from pipelines._stage import existing

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark.core.errors import ParamsError
from pipelines.cli.evaluate import labels_option
from pipelines.cli.options import check_outputs
from pipelines.cli.scores import out_option

if TYPE_CHECKING:
    from benchmark.contracts.predictions import Probabilities
    from submission.fusion.fitted import FittedFusion
    from submission.fusion.rules.union import FusionRule
    from submission.fusion.temperature import Temperature

USUAL: dict[str, dict[str, Any]] = {
    "uniform": {},
    "geometric": {},
    "convex": {"shrinkage": 0.5},
    "greedy": {"metric": "top1", "rounds": 50},
    "search": {"metric": "top1", "evaluations": 2000, "seed": 1},
    "stacking": {"c": 0.01},
}
"""Rules that --fit takes by their name alone, and their settings then; docs/fusion.md says more."""


@click.command()
@click.argument("files", type=existing, nargs=-1, required=True)
@click.option("--weights", help="One weight per file, such as 1,1,0.5; default: equal weights.")
@click.option(
    "--fit", "rule", metavar="RULE",
    help="Fit a rule on FILES, of labeled clips: uniform, geometric, convex, greedy, search or"
    " stacking; settings follow, as in convex,shrinkage=0.2.",
)  # fmt: skip
@click.option(
    "--temperature", type=click.Choice(["none", "before", "after", "both"]), default="none",
    show_default=True, help="Temperatures that --fit also fits.",
)  # fmt: skip
@labels_option
@click.option(
    "--fitted", type=existing, help="Apply the .weights.json of an earlier --fit to FILES."
)
@out_option
def fuse(
    files: tuple[Path, ...], weights: str | None, rule: str | None, temperature: Temperature,
    labels: Path | None, fitted: Path | None, out: Path,
) -> None:  # fmt: skip
    """Fuse the probabilities in FILES, joined by clip id, into one file.

    Give weights, or fit them on validation and apply them to test:

    \b
      mgbench fuse a_val.parquet b_val.parquet --fit convex --out f_val.parquet
      mgbench fuse a_test.parquet b_test.parquet --fitted f_val.weights.json --out f_test.parquet

    A JSON file beside the result records members and weights; 'mgbench submit write' copies them to
    submission.json.
    """  # noqa: D301 - click reads the sign that keeps lines apart
    from benchmark.contracts.predictions import read_probabilities

    if sum(value is not None for value in (weights, rule, fitted)) > 1:
        raise ParamsError("fuse", "takes one of --weights, --fit and --fitted")
    for option, given in (("--temperature", temperature != "none"), ("--labels", labels)):
        if given and rule is None:
            raise ParamsError(option, "only with --fit", do="Add --fit RULE, or omit it")
    check_outputs({"--out": out}, (*files, labels, fitted))
    if len({file.resolve() for file in files}) < len(files):
        do = "Give it a larger weight instead"
        raise ParamsError("FILES", "a file is given twice", do=do)
    numbers = _numbers(weights, len(files))
    members = [read_probabilities(file) for file in files]
    if rule is not None:
        _fit(files, members, _rule(rule), temperature, labels, out)
    elif fitted is not None:
        from submission.fusion.fitted import read_fitted

        _apply(files, members, read_fitted(fitted), out)
    else:
        _weigh(files, members, numbers, out)


def _weigh(
    files: tuple[Path, ...], read: list[Probabilities], numbers: list[float], out: Path
) -> None:
    from submission.fusion.fuse import fuse as fused

    # Files of different systems may have the same source name; their paths differ.
    members = [replace(one, source=str(file)) for one, file in zip(read, files, strict=True)]
    given = {one.source: number for one, number in zip(members, numbers, strict=True)}
    result = fused(members, given, source=out.stem)
    _write(result, dict(zip(files, numbers, strict=True)), None, out)


def _fit(
    files: tuple[Path, ...], members: list[Probabilities], rule: FusionRule,
    temperature: Temperature, labels: Path | None, out: Path,
) -> None:  # fmt: skip
    from benchmark.results.known_labels import labels_for
    from submission.fusion.fit import fit_fusion, labeled_split
    from submission.fusion.fitted import write_fitted

    names = [member.source for member in members]
    if problems := list(rule.faults(tuple(names))):
        raise ParamsError("--fit", "; ".join(problems))
    labeled_split(members)  # before any label is read: none of test ever is
    fitted = fit_fusion(rule, temperature, members, labels_for(members[0], labels))
    beside = out.with_suffix(".weights.json")
    write_fitted(fitted, beside)
    _apply(files, members, fitted, out)
    for name, weight in sorted(fitted.weights.items(), key=lambda item: -item[1]):
        click.echo(f"{weight:8.4f}  {name}")
    for name, estimate in (
        ("equal weights", fitted.uniform), ("fitted, on its own clips", fitted.fitted),
        ("fitted on other videos", fitted.nested),
    ):  # fmt: skip
        if estimate is not None:
            click.echo(
                f"{name:<25} top-1 {100 * estimate.top1:6.2f} %, macro-F1"
                f" {100 * estimate.macro_f1:6.2f} %, log-loss {estimate.log_loss:.4f}"
            )
    click.echo(f"to apply them: mgbench fuse TEST_FILES --fitted {beside} --out FILE")


def _apply(
    files: tuple[Path, ...], members: list[Probabilities], fitted: FittedFusion, out: Path
) -> None:
    from submission.fusion.fuse import apply

    result = apply(fitted, members, source=out.stem)
    weights = {file: fitted.weights[one.source] for one, file in zip(members, files, strict=True)}
    _write(result, weights, fitted.rule, out)


def _write(
    result: Probabilities, weights: dict[Path, float], rule: FusionRule | None, out: Path
) -> None:
    from benchmark.contracts.predictions import write_probabilities
    from submission.fusion.metadata import write_fusion_metadata

    write_probabilities(result, out)
    beside = write_fusion_metadata(out, weights, rule)
    clips = f"{len(result)} clips of {len(weights)} files"
    click.echo(f"wrote {out}: {clips}, recorded in {beside.name}")


def _rule(text: str) -> FusionRule:
    """Read a rule such as convex,shrinkage=0.2.

    Raises:
        ParamsError: There is no such rule, or a setting is wrong.
    """
    from benchmark.core.schema import Strict, validate
    from submission.fusion.rules.union import FusionRule

    class Fit(Strict):
        rule: FusionRule

    kind, *settings = text.split(",")
    if kind not in USUAL:
        raise ParamsError("--fit", f"no rule '{kind}'", expected=", ".join(USUAL))
    given = {key: _value(word) for key, _, word in (part.partition("=") for part in settings)}
    raw = {"rule": {"kind": kind, **USUAL[kind], **given}}
    return validate(Path("--fit"), raw, Fit).rule


def _value(word: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    return word


def _numbers(text: str | None, files: int) -> list[float]:
    if text is None:
        return [1.0] * files
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != files:
        raise ParamsError(
            "--weights", "must have one number per file",
            expected=f"{files} numbers, such as 1,0.5", found=text,
        )  # fmt: skip
    return numbers
