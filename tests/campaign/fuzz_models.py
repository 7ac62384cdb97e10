"""Fuzzing of models, checkpoints and published weights."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import safetensors.torch
import torch
from ruamel.yaml import YAML

from benchmark.models.check_tensors import read_checkpoint
from benchmark.training.checkpoint import Checkpoints, Progress
from benchmark.weights.model_folder import METADATA, WEIGHTS, read_metadata, read_weights

from .lab import Lab
from .mutations import mutated_bytes, mutated_text, mutated_tree
from .tries import Attempt, Campaign, Tried
from .verdicts import judged, unlike

MODEL = "models/joint"


def _start_metadata(lab: Lab) -> Attempt:
    file = lab.work / METADATA
    data = (lab.finished / MODEL / METADATA).read_bytes()
    tree = json.loads(data)

    def attempt(seed: int) -> Tried:
        rng = Random(seed)
        if rng.random() < 0.6:
            changed, what = mutated_tree(tree, rng)
            file.write_text(_json(changed), "utf-8", "surrogatepass")
        else:
            mutated, what = mutated_text(data, rng)
            file.write_bytes(mutated)
        return judged(what, lambda: read_metadata(lab.work), lambda read: unlike(_raw(file), read))

    return attempt


def _raw(file: Path) -> Any:
    # The program reads it as YAML, of which JSON is a part.
    return YAML(typ="safe").load(file.read_text("utf-8"))


def _json(tree: Any) -> str:
    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {str(key): plain(item) for key, item in value.items()}
        if isinstance(value, list):
            return [plain(item) for item in value]
        # Python refuses to print integers of more than 4,300 digits.
        return 10**4000 if isinstance(value, int) and abs(value) > 10**4000 else value

    return json.dumps(plain(tree), ensure_ascii=False)


def _start_weights(lab: Lab) -> Attempt:
    data = (lab.finished / MODEL / WEIGHTS).read_bytes()
    right = safetensors.torch.load(data)
    length = int.from_bytes(data[:8], "little")
    return _start_tensors(
        lab.work / WEIGHTS, data, 8 + length, right, lambda: read_weights(lab.work)
    )


def _start_foreign(lab: Lab) -> Attempt:
    tensors = {
        f"backbone.conv{k}.weight": torch.arange(60.0).reshape(3, 4, 5) + k for k in range(6)
    }
    file = io.BytesIO()
    torch.save({"state_dict": tensors, "meta": {"epoch": 3}}, file)
    small = safetensors.torch.save(tensors)
    one = _start_tensors(
        lab.work / "f.pth",
        file.getvalue(),
        len(file.getvalue()),
        tensors,
        lambda: read_checkpoint(lab.work / "f.pth").tensors,
    )
    two = _start_tensors(
        lab.work / "f.safetensors",
        small,
        len(small),
        tensors,
        lambda: read_checkpoint(lab.work / "f.safetensors").tensors,
    )
    return lambda seed: (one if seed % 2 else two)(seed)


def _start_tensors(
    file: Path, data: bytes, head: int, right: dict[str, torch.Tensor], read: Callable[[], Any]
) -> Attempt:
    """Mutate a file of tensors, in half of the tries within its first `head` bytes alone."""

    def fault_of(found: dict[str, torch.Tensor]) -> str:
        bad = [
            name for name, x in found.items() if x.is_floating_point() and not x.isfinite().all()
        ]
        if bad:
            return f"a tensor that is not finite: {bad[0]}"
        return "" if found.keys() or not right else "no tensor"

    def attempt(seed: int) -> Tried:
        rng = Random(seed)
        if rng.random() < 0.5:
            changed, what = mutated_bytes(data[:head], rng)
            changed += data[head:]
        else:
            changed, what = mutated_bytes(data, rng)
        file.write_bytes(changed)
        return judged(what, read, fault_of)

    return attempt


def _start_checkpoint(lab: Lab) -> Attempt:
    checkpoints = Checkpoints(lab.work / "ckpt", "joint", {"key": "key"})
    progress = Progress(
        epoch=1, step=2, best_weights={"a": torch.ones(3)}, val=torch.ones(2, 2) / 2
    )
    checkpoints.save(progress, {"model": {"a": torch.ones(3)}, "optimizer": {"state": {}}})
    (file,) = (lab.work / "ckpt").rglob("last.pt")
    data = file.read_bytes()

    def fault_of(found: Any) -> str:
        if found is None:
            return ""
        progress, state = found
        if not (
            isinstance(progress.epoch, int) and isinstance(progress.step, int) and "model" in state
        ):
            return f"epoch {progress.epoch!r}, step {progress.step!r}"
        return "" if progress.epoch >= 0 and progress.step >= 0 else "a step below 0"

    def attempt(seed: int) -> Tried:
        changed, what = mutated_bytes(data, Random(seed))
        file.write_bytes(changed)
        return judged(what, checkpoints.load, fault_of)

    return attempt


CAMPAIGNS = (
    Campaign(
        "fuzz-metadata",
        "mutations of a model's experiment.json",
        1000,
        1,
        _start_metadata,
        forked=True,
    ),
    Campaign(
        "fuzz-weights", "mutations of a model's safetensors", 500, 1, _start_weights, forked=True
    ),
    Campaign(
        "fuzz-foreign", "mutations of published weights", 1000, 1, _start_foreign, forked=True
    ),
    Campaign(
        "fuzz-checkpoint",
        "mutations of a training's checkpoint",
        500,
        1,
        _start_checkpoint,
        forked=True,
    ),
)
