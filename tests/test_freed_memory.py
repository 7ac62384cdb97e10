"""What becomes of the memory of freed tensors."""

from __future__ import annotations

import subprocess
import sys

import pytest

from benchmark.runtime.seeding import keep_freed_memory

FAULTS = """
import resource
import torch
from benchmark.runtime.seeding import keep_freed_memory
def fill(times):
    for _ in range(times):
        torch.zeros(50_000_000, dtype=torch.uint8)
def faults():
    fill(10)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    fill(3)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(faults())
keep_freed_memory()
print(faults())
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="glibc alone")
def test_memory_of_freed_tensors_is_not_asked_of_linux_again() -> None:
    done = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, check=True)
    without, keeping = map(int, done.stdout.split())
    assert keeping < 1_000
    assert without > 10_000, "nothing to gain: is it still needed?"


def test_a_c_library_without_the_knobs_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark.runtime.seeding.ctypes.CDLL", lambda _: object())
    assert keep_freed_memory() is None
