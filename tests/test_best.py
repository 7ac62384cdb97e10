"""`mgbench best`: which streams to fuse, on made-up scores whose worth is known."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmark.contracts.labels import Labels
from benchmark.contracts.predictions import FoldStamp, Probabilities
from benchmark.core.errors import MismatchError
from benchmark.results.best import find_best
from benchmark.results.best_page import best_section
from benchmark.results.table import Resampling

if TYPE_CHECKING:
    from collections.abc import Sequence

DRAW = Resampling(300, 0)
CLASSES = tuple("abcdef")
N = 600
IDS = tuple(f"c{k:04d}" for k in range(N))
LABEL = np.random.default_rng(0).integers(0, 6, N)
TRUTH = Labels("mimic", "oof", IDS, tuple(f"v{k % 40:02d}" for k in range(N)), LABEL)


def stream(name: str, right: np.ndarray, *, sure: float = 0.7) -> Probabilities:
    """Answers right where it is told to, and else another class; `sure` of it on average."""
    rng = np.random.default_rng(int(right.sum()))
    top = rng.uniform(2 * sure - 1, 1, N)
    p = np.repeat((1 - top)[:, None] / 5, 6, 1)
    p[np.arange(N), np.where(right, LABEL, (LABEL + rng.integers(1, 6, N)) % 6)] = top
    return Probabilities("mimic", "oof", name, CLASSES, IDS, p.astype(np.float32))


def some(seed: int, share: float) -> np.ndarray:
    return np.random.default_rng(seed).random(N) < share


def found(members: Sequence[Probabilities]) -> tuple[str, ...]:
    return find_best(members, TRUTH, DRAW).best.members


def test_streams_that_err_on_other_clips_are_fused_and_noise_is_left_out() -> None:
    members = [stream(f"good{k}", some(k, 0.7)) for k in range(3)]
    best = find_best([*members, stream("noise", some(9, 0.05), sure=0.9)], TRUTH, DRAW)
    assert best.best.members == ("good0", "good1", "good2")
    assert best.simplest.members == best.best.members, "each adds more than noise"
    assert all(one.interval and one.interval.low > 0 for one in best.additions)
    assert best.same[0] == best.same[1] == 20
    assert best.wins == 1


def test_a_stream_alone_is_the_simplest_where_others_repeat_it() -> None:
    right = some(1, 0.8)
    almost = right.copy()
    almost[:2] = ~almost[:2]
    best = find_best([stream("one", right), stream("twin", almost)], TRUTH, DRAW)
    assert len(best.simplest.members) == 1


def test_the_estimate_of_the_whole_choice_is_not_that_of_the_lucky_set() -> None:
    """Eight streams of one skill: which of them are best is luck, and other videos undo it."""
    tries = [
        find_best([stream(f"s{k}", some(10 * seed + k, 0.4)) for k in range(8)], TRUTH, DRAW)
        for seed in range(4)
    ]
    assert all(one.nested <= one.best.top1 for one in tries)
    assert sum(one.best.top1 - one.nested for one in tries) > 0.01


def test_the_order_of_streams_and_rows_changes_nothing() -> None:
    members = [stream(f"s{k}", some(k, 0.5 + k / 20)) for k in range(4)]
    order = np.random.default_rng(3).permutation(N)
    mixed = [
        replace(one, clip_id=tuple(np.array(IDS)[order].tolist()), p=one.p[order])
        for one in reversed(members)
    ]
    assert find_best(members, TRUTH, DRAW) == find_best(mixed, TRUTH, DRAW)


def test_the_page_ends_with_the_lines_for_params_and_the_commands() -> None:
    members = [stream(f"good{k}", some(k, 0.7)) for k in range(3)]
    text = "\n".join(best_section(find_best(members, TRUTH, DRAW), "mimic"))
    assert "oof_fusions:\n  best:\n    edition: mimic\n    members:\n      - good0" in text
    assert "dvc repro fuse_oof@best" in text
    single = [stream("good", some(0, 0.9)), stream("bad", some(1, 0.1), sure=0.95)]
    text = "\n".join(best_section(find_best(single, TRUTH, DRAW), "mimic"))
    assert "mgbench submit write predictions/oof/good/test.parquet --edition mimic" in text


def test_scores_on_validation_are_refused() -> None:
    one = stream("one", some(1, 0.8))
    val = Probabilities("mimic", "val", "two", CLASSES, IDS, one.p)
    with pytest.raises(MismatchError, match="they differ in split"):
        found([one, val])


def test_scores_of_another_file_of_folds_are_refused_by_name() -> None:
    members = [
        replace(stream(name, some(1, 0.8)), stamp=FoldStamp(digest, "joined", "video", ("train",)))
        for name, digest in (("one", "0" * 64), ("two", "1" * 64))
    ]
    with pytest.raises(MismatchError, match="one and two: their scores are of different folds"):
        found(members)
