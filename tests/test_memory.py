"""A network that does not fit is one message that names the setting that helps."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from benchmark.core.errors import TrainingError
from benchmark.runtime.memory import lack_of_memory_named
from conftest import REPO


def test_a_gpu_without_memory_names_the_micro_batch_of_the_recipe() -> None:
    full = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 23 GiB."
    with (
        pytest.raises(TrainingError) as caught,
        lack_of_memory_named("swin_rgb", "swin"),
    ):
        raise torch.OutOfMemoryError(full)
    assert "swin_rgb: does not fit into the memory of this GPU; found CUDA out of memory." in str(
        caught.value
    )
    assert "Halve recipes.swin.micro_batch_size" in str(caught.value)


def test_a_machine_without_memory_says_the_same() -> None:
    code = (
        "import resource, torch; resource.setrlimit(resource.RLIMIT_AS, (2**33, 2**33))\n"
        "from benchmark.runtime.memory import lack_of_memory_named\n"
        "with lack_of_memory_named('joint', 'pose'):\n    torch.zeros(2**40)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True,
                          check=False)  # fmt: skip
    assert "joint: does not fit into the memory of this machine" in done.stderr


def test_another_error_of_torch_stays_what_it_is() -> None:
    with (
        pytest.raises(RuntimeError, match="size mismatch"),
        lack_of_memory_named("joint", "pose"),
    ):
        raise RuntimeError("size mismatch")
