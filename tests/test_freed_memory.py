"""What becomes of the memory of freed tensors."""

from __future__ import annotations

import subprocess
import sys

import pytest

from benchmark.runtime.seeding import keep_freed_memory

FAULTS = """
import resource
import torch
{first}
def fill(times):
    for _ in range(times):
        torch.zeros(50_000_000, dtype=torch.uint8)
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
fill(10)
before = faults()
fill(3)
print(faults() - before)
"""


def faults_after(first: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", FAULTS.format(first=first)],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc alone")
def test_memory_of_freed_tensors_is_not_asked_of_linux_again() -> None:
    keeping = "from benchmark.runtime.seeding import keep_freed_memory; keep_freed_memory()"
    assert faults_after(keeping) < 1_000
    assert faults_after("") > 10_000, "nothing to gain: is it still needed?"


def test_a_c_library_without_the_knobs_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark.runtime.seeding.ctypes.CDLL", lambda _: object())
    assert keep_freed_memory() is None
