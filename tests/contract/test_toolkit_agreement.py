"""Our arguments and variables beside those that the real training toolkit made of the same configuration files.

``toolkit_recorded.json`` was recorded by running the package ``sagemaker-training`` itself.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfmaker.contract import script_mode
from selfmaker.contract.variables import Facts, toolkit_variables

RECORDED: dict[str, Any] = json.loads((Path(__file__).parent / "toolkit_recorded.json").read_text())


def facts(hyperparameters: dict[str, str], resources: Any, inputs: Any) -> Facts:
    script = script_mode.settings(hyperparameters, {})
    assert script is not None
    return Facts("job-1", "arn", "us-east-1", resources, inputs, script.hyperparameters, 2, 0, script)


@pytest.mark.parametrize(("raw", "arguments", "variable"), RECORDED["values"], ids=lambda value: repr(value)[:20])
def test_values(raw: str, arguments: list[str], variable: str) -> None:
    value = script_mode.decode(raw)
    assert script_mode.arguments({"name": value}) == arguments
    resources = RECORDED["environments"][0]["resources"]
    made = toolkit_variables(facts({"sagemaker_program": "t.py", "name": raw}, resources, {}))
    assert made["SM_HP_NAME"] == variable


def test_names() -> None:
    names = RECORDED["names"]
    script = script_mode.settings({**names["given"], "sagemaker_program": "train.py"}, {})
    assert script is not None
    assert script_mode.arguments(script.hyperparameters) == names["arguments"]
    assert script.framework == names["framework"]


@pytest.mark.parametrize("case", RECORDED["environments"], ids=lambda case: "-".join(case["hyperparameters"])[:40])
def test_variables(case: dict[str, Any]) -> None:
    made: dict[str, Any] = dict(toolkit_variables(facts(case["hyperparameters"], case["resources"], case["inputs"])))
    made["SM_TRAINING_ENV"] = json.loads(made["SM_TRAINING_ENV"])
    assert made == case["variables"]


@given(st.text())
def test_decode_takes_any_text(text: str) -> None:
    value = script_mode.decode(text)
    (_, argument) = script_mode.arguments({"name": value})
    assert isinstance(argument, str)


def test_decode_of_a_bottomless_list() -> None:
    assert script_mode.decode("[" * 200_000) == "[" * 200_000


@given(st.dictionaries(st.text(min_size=1), st.one_of(st.integers(), st.text(), st.lists(st.integers()), st.none())))
def test_quoted_and_raw_come_to_the_same(values: dict[str, Any]) -> None:
    quoted = {name: script_mode.decode(json.dumps(value)) for name, value in values.items()}
    assert script_mode.arguments(quoted) == script_mode.arguments(values)
    assert script_mode.arguments(values)[::2] == [f"-{n}" if len(n) == 1 else f"--{n}" for n in sorted(values)]
