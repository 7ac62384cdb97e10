"""The 36 points and limbs of the paper."""

from __future__ import annotations

from benchmark.contracts.skeletons import OPENPOSE36 as L

PAPERS_PAIRS = (
    [17, 8, 10, 12, 13, 20, 2, 3, 4, 30, 31, 32, 33, 34, 35],
    [18, 9, 11, 16, 15, 22, 5, 6, 7, 24, 25, 26, 27, 28, 29],
)


def test_there_are_36_points_and_36_limbs() -> None:
    assert len(set(L.points)) == len(set(L.edges)) == 36


def test_a_mirror_swaps_exactly_the_papers_pairs() -> None:
    expected = list(range(36))
    for one, other in zip(*PAPERS_PAIRS, strict=True):
        expected[one], expected[other] = other, one
    assert list(L.swap) == expected


def test_mirroring_twice_changes_nothing() -> None:
    assert [L.swap[i] for i in L.swap] == list(range(36))


def test_the_mirror_of_every_limb_is_a_limb() -> None:
    edges = {frozenset(edge) for edge in L.edges}
    assert {frozenset(L.swap[end] for end in edge) for edge in edges} == edges


def test_every_point_is_on_a_limb() -> None:
    assert {end for edge in L.edges for end in edge} == set(range(36))


def test_finger_tips_hang_on_their_own_wrist() -> None:
    # Left wrist 7 -> left hand root, OpenPose 95; right wrist 4 -> 116.
    assert (L.points[24], L.points[30]) == (95, 116)
    assert (7, 24) in L.edges
    assert (4, 30) in L.edges
