from pathlib import Path

import pytest

from selfmaker.workflow import conditions, expressions, retry
from selfmaker.workflow.steps.catalog import CHECKS, REFUSED, TYPES

PAGE = (Path(__file__).parents[2] / "docs" / "pipelines.md").read_text()


@pytest.mark.parametrize("word", [*TYPES, *REFUSED, *expressions.EXECUTION_VARIABLES, *retry.EXCEPTION_TYPES])
def test_the_page_has_each_word_of_the_language(word: str) -> None:
    assert (
        f"`{word}`" in PAGE or f"`{word}," in PAGE or f" {word}," in PAGE or f"({word}," in PAGE or f"{word})" in PAGE
    )


def test_each_condition_is_told() -> None:
    told = PAGE.replace("GreaterThan(OrEqualTo)", "GreaterThan GreaterThanOrEqualTo")
    told = told.replace("LessThan(OrEqualTo)", "LessThan LessThanOrEqualTo")
    assert all(kind in told for kind in conditions.TYPES)


def test_checks_belong_to_types() -> None:
    assert set(CHECKS) <= set(TYPES)
    assert not set(TYPES) & set(REFUSED)
