"""The best set of streams in words: a section of RESULTS.md, what `mgbench best` prints, a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.evaluation.bootstrap import Interval, percent
from benchmark.presets.edit import yaml_text
from benchmark.tracking.records import RunRecord, edition_tags, new_record
from benchmark.tracking.store import TABLE

if TYPE_CHECKING:
    from benchmark.editions.edition import Edition
    from benchmark.results.best import Best, Choice

NAME = "best"
"""Of the entry of `oof_fusions` that the commands add."""


def best_section(best: Best, edition: str) -> list[str]:
    """Write lines of Markdown: the set, how sure it is, what each member adds, the commands."""
    sure = f"{best.same[0]} of {best.same[1]}"
    chosen, simple = best.best, best.simplest
    lines = [
        "## Best set of streams",
        "",
        f"On {best.clips} clips of {best.groups} groups, each scored out of fold; sets are fused"
        " with equal weights.",
        "",
        f"- **Best:** {_set(chosen)}; {_top1(chosen.top1, chosen.interval)}.",
        f"- **An honest estimate:** {_top1(best.nested, best.nested_interval)}. The whole choice is"
        " repeated without each block of groups, and scored on the block.",
        f"- **How sure:** the choice without a block is the same set in {sure} blocks; no other"
        f" candidate is better in {100 * best.wins:.0f} % of resamples of groups.",
        f"- **The simplest within noise:** {_set(simple)}; {_top1(simple.top1, simple.interval)}.",
        "",
        "| set | streams | top-1 % | 95 % interval | log-loss |",
        "|---|---|--:|:-:|--:|",
        *(_row("single", one) for one in best.singles),
        _row("best pair", best.pair),
        *(_row("grown", one) for one in best.grown[1:]),
        "",
    ]
    if best.additions:
        lines += ["| member of the best | adds, points | 95 % interval |", "|---|--:|:-:|"]
        for one in best.additions:
            lines.append(f"| {one.member} | {100 * one.top1:+.2f} | {_points(one.interval)} |")
        lines.append("")
    if best.rules:
        lines += [
            "| rule on the best, nested | top-1 % | log-loss | against equal weights, points |",
            "|---|--:|--:|:-:|",
        ]
        for one in best.rules:
            cells = f"{100 * one.top1:.2f} | {one.log_loss:.4f} | {_points(one.difference)}"
            lines.append(f"| {one.rule.kind} | {cells} |")
        lines.append("")
    return [*lines, *_commands(best, edition)]


def _commands(best: Best, edition: str) -> list[str]:
    if len(best.best.members) == 1:
        (name,) = best.best.members
        file = f"predictions/oof/{name}/test.parquet"
        return [
            "One stream alone is best. Its mean over the folds as a submission:", "", "```bash",
            f"mgbench submit write {file} --edition {edition} --out submissions/{NAME}", "```",
        ]  # fmt: skip
    entry = {
        "oof_fusions": {
            NAME: {
                "edition": edition, "members": list(best.best.members),
                "rule": best.rule.model_dump(mode="json"), "temperature": "none",
            }
        }
    }  # fmt: skip
    file = f"predictions/fusions/{NAME}/test.parquet"
    return [
        "To use it, add to `params.yaml`:", "", "```yaml", yaml_text(entry).rstrip(), "```", "",
        "Then:", "", "```bash", f"dvc repro fuse_oof@{NAME}",
        f"mgbench submit write {file} --edition {edition} --out submissions/{NAME}", "```",
    ]  # fmt: skip


def _set(choice: Choice) -> str:
    return " + ".join(choice.members)


def _top1(top1: float, interval: Interval | None) -> str:
    return f"{100 * top1:.2f} % top-1 ({percent(interval, without='no interval')})"


def _points(difference: Interval | None) -> str:
    return percent(difference, "{:+.2f} to {:+.2f}", without="no interval")


def _row(what: str, choice: Choice) -> str:
    span = percent(choice.interval, without="no interval")
    return f"| {what} | {_set(choice)} | {100 * choice.top1:.2f} | {span} | {choice.log_loss:.4f} |"


def best_records(root: Path, edition: Edition, best: Best | None) -> list[RunRecord]:
    """Record the choice, if any, as one run: set and rule as params, the scores in per cent."""
    if best is None:
        return []
    scores = {
        "top1": best.best.top1,
        "nested_top1": best.nested,
        "simplest_top1": best.simplest.top1,
    }
    scores |= {f"adds.{one.member}": one.top1 for one in best.additions}
    run = new_record(
        root, experiment=TABLE, name=f"best {edition.name}",
        params={
            "members": "+".join(best.best.members), "rule": best.rule.kind,
            "simplest": "+".join(best.simplest.members),
        },
        metrics={name: round(100 * value, 2) for name, value in scores.items()},
        tags=edition_tags(
            "best", edition, f"The best set of streams out of fold on {edition.title}."
        ),
    )  # fmt: skip
    return [run]
