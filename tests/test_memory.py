"""A network that does not fit is one message that names the setting that helps."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from benchmark.core.errors import TrainingError
from benchmark.presets.preset import paper
from benchmark.runtime.memory import lack_of_memory_named
from conftest import REPO

RECIPE = paper().recipes["pose_rgb"]
"""Steps of 208 clips, passes of 26."""


def test_a_gpu_without_memory_names_the_micro_batch_of_the_recipe() -> None:
    full = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 23 GiB."
    with (
        pytest.raises(TrainingError) as caught,
        lack_of_memory_named("swin_rgb", "recipes.swin", RECIPE),
    ):
        raise torch.OutOfMemoryError(full)
    assert "swin_rgb: does not fit into the memory of this GPU; found CUDA out of memory." in str(
        caught.value
    )
    assert "Set recipes.swin.micro_batch_size to 13 (it is 26): steps keep their 208" in str(
        caught.value
    )


def test_a_single_clip_that_does_not_fit_names_what_is_left() -> None:
    one = RECIPE.model_copy(update={"micro_batch_size": 1})
    with (
        pytest.raises(TrainingError, match="is 1 already: set recompute of a Video Swin to true"),
        lack_of_memory_named("swin_rgb", "recipes.swin", one),
    ):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def test_a_machine_without_memory_says_the_same() -> None:
    code = (
        "import resource, torch; resource.setrlimit(resource.RLIMIT_AS, (2**33, 2**33))\n"
        "from benchmark.runtime.memory import lack_of_memory_named\n"
        "from benchmark.presets.preset import paper\n"
        "with lack_of_memory_named('joint', 'recipes.pose', paper().recipes['pose_joint']):\n"
        "    torch.zeros(2**40)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True,
                          check=False)  # fmt: skip
    assert "joint: does not fit into the memory of this machine" in done.stderr


def test_another_error_of_torch_stays_what_it_is() -> None:
    with (
        pytest.raises(RuntimeError, match="size mismatch"),
        lack_of_memory_named("joint", "recipes.pose", RECIPE),
    ):
        raise RuntimeError("size mismatch")
