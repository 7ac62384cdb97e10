"""Files of weights: read without harm, whatever is around the tensors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from benchmark.core.errors import ArchiveError
from benchmark.models.check_tensors import read_checkpoint
from bomb import Bomb


def same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def unreadable(path: Path) -> str:
    with pytest.raises(ArchiveError) as caught:
        read_checkpoint(path)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value)


TENSORS = {"backbone.a": torch.ones(2), "cls_head.b": torch.zeros(3, 1)}


@pytest.mark.parametrize("nest", ["state_dict", "model", "model_state", None])
@pytest.mark.parametrize(
    "prefix", ["module.", "", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."]
)
@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_are_found_in_what_is_around_them(
    tmp_path: Path, nest: str | None, prefix: str, zipped: bool
) -> None:
    named = {prefix + name: nn.Parameter(x) for name, x in TENSORS.items()}
    content = {nest: named, "epoch": 3} if nest else named
    torch.save(content, tmp_path / "x.pth", _use_new_zipfile_serialization=zipped)
    assert same(read_checkpoint(tmp_path / "x.pth").tensors, TENSORS)


def test_safetensors_are_read(tmp_path: Path) -> None:
    save_file(TENSORS, tmp_path / "x.safetensors")
    assert same(read_checkpoint(tmp_path / "x.safetensors").tensors, TENSORS)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_checkpoint_of_openmmlab_loads_with_all_that_is_in_it(
    tmp_path: Path, zipped: bool
) -> None:
    from mmengine.logging import HistoryBuffer

    weight = nn.Parameter(torch.ones(2))
    optimizer = torch.optim.AdamW([weight])
    weight.sum().backward()
    optimizer.step()
    content = {
        "meta": {"epoch": 1, "cfg": "model = {}", "best": np.float64(0.5), "at": np.arange(2)},
        "message_hub": {"log_scalars": {"train/loss": HistoryBuffer([1.0, 2.0], [1, 1])}},
        "state_dict": TENSORS,
        "optimizer": optimizer.state_dict(),
    }
    torch.save(content, tmp_path / "x.pth", _use_new_zipfile_serialization=zipped)
    assert same(read_checkpoint(tmp_path / "x.pth").tensors, TENSORS)


class Reaching:
    """Asks for an attribute when it is unpickled, and calls nothing."""

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (torch.Tensor, "no such attribute")


def test_a_file_that_would_run_something_runs_nothing(tmp_path: Path) -> None:
    path, mark = tmp_path / "bomb.pth", tmp_path / "went-off"
    for content in (Bomb(mark), {"state_dict": TENSORS, "meta": Bomb(mark)}):
        for zipped in (True, False):
            torch.save(content, path, _use_new_zipfile_serialization=zipped)
            assert "nothing of it was run" in unreadable(path)
            assert not mark.exists()
    torch.load(path, weights_only=False)
    assert mark.exists()  # it is a real one


def test_no_attribute_is_looked_up_for_a_file(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    torch.save({"state_dict": TENSORS, "meta": Reaching()}, path)
    assert same(read_checkpoint(path).tensors, TENSORS)
    with pytest.raises(AttributeError):
        torch.load(path, weights_only=False)
    with pytest.raises(Exception, match="getattr"):  # nor is the name allowed to others now
        torch.load(path, weights_only=True)


@pytest.mark.filterwarnings("ignore:Validating sparse")
def test_what_is_no_dictionary_of_tensors_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    one, sparse = torch.ones(1), torch.eye(2).to_sparse()
    others = ([one], {}, one, {"state_dict": {"a": {"b": one}}}, {1: one}, {"a": sparse})
    for content in (*others, {"a": torch.ones(1, device="meta")}):
        torch.save(content, path)
        assert "holds something else than named tensors" in unreadable(path)
    for name in ("x.pth", "x.safetensors"):
        for damaged in (b"", b"not a file of torch", b"epoch 1: 0.5\n"):
            (tmp_path / name).write_bytes(damaged)
            found = unreadable(tmp_path / name)
            assert "cannot be read" in found
            # Not only a number, as of the byte that torch stopped at.
            assert re.search("found [^;]*[a-z]{3}", found)


def test_the_word_of_a_compiled_part_is_removed(tmp_path: Path) -> None:
    compiled = {name.replace("backbone.", "backbone._orig_mod."): x for name, x in TENSORS.items()}
    torch.save(compiled, tmp_path / "x.pth")
    assert same(read_checkpoint(tmp_path / "x.pth").tensors, TENSORS)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<html>Sign in</html>", "found an HTML page, such as a login or error page. See"),
        (b"version https://git-lfs.github.com/spec/v1\n", "found a Git LFS pointer of 43 bytes"),
        (b"", "found an empty file. See"),
        (b"%PDF-1.4", "found a PDF"),
        (b"PK\x05\x06" + bytes(18), "found a zip without files"),
    ],
)
@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_a_file_that_holds_no_tensors_is_called_what_it_is(
    tmp_path: Path, content: bytes, words: str, ending: str
) -> None:
    (tmp_path / f"x.{ending}").write_bytes(content)
    assert words in unreadable(tmp_path / f"x.{ending}")
