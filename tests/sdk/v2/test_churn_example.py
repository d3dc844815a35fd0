"""The parts of examples/churn that need no server: the data, the transformation, the pipeline's definition."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

CHURN = Path(__file__).resolve().parents[3] / "examples" / "churn"
REAL = CHURN.parents[2] / "shared" / "data" / "churn" / "churn.txt"
sys.path.insert(0, str(CHURN))

from dataset import generate  # noqa: E402
from pipelines.customer_churn import preprocess  # noqa: E402


@pytest.fixture
def raw(tmp_path):
    path = tmp_path / "raw.csv"
    generate(400).to_csv(path, index=False)
    return path


def test_customers_are_generated_as_many_as_asked_and_the_same_again():
    table = generate(500)
    assert len(table) == 500 and table.equals(generate(500))
    assert not table.equals(generate(500, seed=1))
    assert 0.08 < (generate(5000)["Churn?"] == "True.").mean() < 0.2


@pytest.mark.skipif(not REAL.exists(), reason="the churn data set is not beside the project")
def test_generated_columns_are_those_of_the_real_file(raw):
    assert list(preprocess.read_raw(raw).columns) == list(preprocess.read_raw(REAL).columns)


def test_features_are_scaled_numbers_and_one_column_for_each_value(raw):
    table = preprocess.read_raw(raw)
    fitted = preprocess.Transformation.fit(table)
    features = fitted.transform(table)
    assert features.shape == (400, len(fitted.names))
    numbers = features[:, : len(preprocess.NUMBERS)]
    assert np.allclose(numbers.mean(axis=0), 0) and np.allclose(numbers.std(axis=0), 1)
    plan = [index for index, name in enumerate(fitted.names) if name.startswith("intlplan=")]
    assert [fitted.names[index] for index in plan] == ["intlplan=no", "intlplan=yes"]
    assert (features[:, plan].sum(axis=1) == 1).all()


def test_a_saved_transformation_does_the_same_later(raw, tmp_path):
    table = preprocess.read_raw(raw)
    fitted = preprocess.Transformation.fit(table)
    fitted.save(tmp_path / "t.json")
    again = preprocess.Transformation.load(tmp_path / "t.json")
    assert np.array_equal(again.transform(table), fitted.transform(table))
    strange = table.assign(state="ZZ")
    state = [index for index, name in enumerate(again.names) if name.startswith("state=")]
    assert (again.transform(strange)[:, state] == 0).all()


@pytest.mark.parametrize("old, new", [("Int'l Plan", "Int l Plan"), ("Churn?", "Churn_"), ("Day Mins", "day_mins")])
def test_spelling_does_not_matter(raw, tmp_path, old, new):
    other = tmp_path / "other.csv"
    other.write_text(raw.read_text().replace(old, new, 1))
    assert preprocess.read_raw(other).equals(preprocess.read_raw(raw))


def test_a_missing_column_is_named(raw):
    raw.write_text(raw.read_text().replace("Day Mins", "Something", 1))
    with pytest.raises(ValueError, match="daymins"):
        preprocess.read_raw(raw)


def test_parts_do_not_overlap(raw, tmp_path):
    preprocess.main(["--input", str(raw), "--output", str(tmp_path)])
    parts = {name: np.loadtxt(tmp_path / name / f"{name}.csv", delimiter=",") for name in preprocess.PARTS}
    assert [len(part) for part in parts.values()] == [280, 60, 60]
    rows = [tuple(row) for part in parts.values() for row in part]
    assert len(set(rows)) == 400
    assert set(parts["train"][:, 0]) == {0.0, 1.0}
    assert (tmp_path / "transformation" / "transformation.json").exists()


def test_arguments_reach_the_definition():
    from pipelines.customer_churn.pipeline import get_pipeline

    pipeline = get_pipeline(pipeline_name="Mine", use_spot_instances=False, model_package_group_name="Group")
    definition = json.loads(pipeline.definition())
    steps = {step["Name"]: step for step in definition["Steps"]}
    assert "EnableManagedSpotTraining" not in steps["CustomerChurnTrain"]["Arguments"]
    assert steps["CustomerChurnTrain"]["CacheConfig"] == {"Enabled": True, "ExpireAfter": "P30D"}
    [register] = [s for s in steps["CustomerChurnAccuracyCond"]["Arguments"]["IfSteps"] if s["Type"] == "RegisterModel"]
    assert register["Arguments"]["ModelPackageGroupName"] == "Group"
    assert register["Arguments"]["ModelApprovalStatus"] == {"Get": "Parameters.ModelApprovalStatus"}
