"""The order of the code, held by the figures that `make house` prints."""

from __future__ import annotations

import ast

import house
from conftest import REPO


def test_at_most_three_modules_stand_outside_of_a_room() -> None:
    assert len(house.loose_modules()) <= 3, house.loose_modules()


def test_there_are_about_twenty_rooms_and_none_in_a_circle() -> None:
    assert len(house.rooms()) <= 22, house.rooms()
    assert house.circles() == []


def test_a_room_holds_one_line_of_purpose_and_no_code_of_its_own() -> None:
    for one in house.sources():
        if one.path.endswith("__init__.py"):
            assert [type(node) for node in one.tree.body] == [ast.Expr], one.path
            assert len(one.text.splitlines()) == 1, one.path


def test_few_files_are_below_40_lines() -> None:
    assert len(house.small_files()) <= 15, house.small_files()


def test_functions_of_four_parameters_explain_each() -> None:
    assert house.without_args() == []


def test_docstrings_say_first_what_a_function_does() -> None:
    documented = [node for _, node in house.functions() if not house.is_property(node)]
    assert len(house.without_verb()) <= 0.05 * len(documented), house.without_verb()


def test_comments_are_two_per_cent_of_the_lines() -> None:
    assert house.comment_share() >= 0.02


def test_every_verb_of_the_list_is_one_lower_case_word() -> None:
    words = (REPO / "tests/house_verbs.txt").read_text("utf-8").split()
    assert all(word.isalpha() and word.islower() for word in words)
    assert len(words) == len(set(words))
