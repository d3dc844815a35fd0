"""Feature Store through SDK v2, as its documentation and the public notebooks use it."""

import datetime
import time
import uuid

import pandas as pd
import pytest
from sagemaker.feature_store.feature_group import FeatureGroup, IngestionError
from sagemaker.feature_store.feature_store import FeatureStore
from sagemaker.feature_store.inputs import FeatureParameter

NOW = 1714564800.0


@pytest.fixture
def place(session):
    return f"s3://{session.default_bucket()}/feature-store/{uuid.uuid4().hex[:8]}"


@pytest.fixture
def group(session, role, place):
    """``group(frame)``: a feature group for the frame, created."""
    made = []

    def make(frame, **arguments):
        name = f"group-{uuid.uuid4().hex[:8]}"
        new = FeatureGroup(name=name, sagemaker_session=session)
        new.load_feature_definitions(data_frame=frame)
        new.create(
            s3_uri=place, record_identifier_name="id", event_time_feature_name="event_time", role_arn=role,
            enable_online_store=True, **arguments,
        )  # fmt: skip
        while new.describe().get("FeatureGroupStatus") == "Creating":
            time.sleep(0.1)
        made.append(new)
        return new

    yield make
    for new in made:
        new.delete()


def people():
    frame = pd.DataFrame({
        "id": [1, 2, 3], "name": ["Ann", "Bob, B", None], "x": [0.5, 1.5, 2.5],
        "event_time": [NOW, NOW + 60, NOW + 7200],
    })  # fmt: skip
    frame["name"] = frame["name"].astype("string")
    return frame


def queried(group, place, text):
    query = group.athena_query()
    query.run(query_string=text.format(table=f'"{query.table_name}"'), output_location=f"{place}/results/")
    query.wait()
    return query.as_dataframe()


def test_ingest_read_and_query(group, place):
    numbers = group(people())
    numbers.ingest(data_frame=people(), max_workers=2, wait=True)
    record = {value["FeatureName"]: value["ValueAsString"] for value in numbers.get_record("2")}
    assert record == {"id": "2", "name": "Bob, B", "x": "1.5", "event_time": str(NOW + 60)}
    frame = queried(numbers, place, "SELECT * FROM {table} ORDER BY id")
    assert list(frame["id"]) == [1, 2, 3] and list(frame["x"]) == [0.5, 1.5, 2.5] and pd.isna(frame["name"][2])
    assert {"write_time", "api_invocation_time", "is_deleted", "year", "hour"} <= set(frame.columns)
    assert list(frame["is_deleted"]) == [False] * 3
    numbers.delete_record("2", str(NOW + 100))
    assert numbers.get_record("2") is None
    frame = queried(numbers, place, "SELECT count(*) AS n FROM {table} WHERE is_deleted")
    assert list(frame["n"]) == [1]


def test_what_does_not_fit_is_told(group):
    numbers = group(people())
    bad = people().astype({"x": "object"})
    bad.loc[1, "x"] = "nothing"
    with pytest.raises(IngestionError) as caught:
        numbers.ingest(data_frame=bad, max_workers=1, wait=True)
    assert caught.value.failed_rows == [1]


def test_metadata_and_updates(group):
    numbers = group(people(), description="people", tags=[{"Key": "a", "Value": "b"}])
    assert numbers.list_tags() == [{"Key": "a", "Value": "b"}]
    numbers.update_feature_metadata(
        "x", description="a number", parameter_additions=[FeatureParameter(key="k", value="v")]
    )
    assert numbers.describe_feature_metadata("x")["Description"] == "a number"
    assert numbers.list_parameters_for_feature_metadata("x") == [{"Key": "k", "Value": "v"}]
    from sagemaker.feature_store.feature_definition import StringFeatureDefinition

    numbers.update([StringFeatureDefinition("city")])
    assert numbers.describe()["FeatureDefinitions"][-1]["FeatureName"] == "city"


def test_datasets(group, session, place):
    base, scores = (
        people(),
        pd.DataFrame({"id": [1, 1, 3], "score": [10, 20, 30], "event_time": [NOW - 60, NOW + 60, NOW]}),
    )
    first, second = group(base), group(scores)
    first.ingest(data_frame=base, max_workers=1, wait=True)
    second.ingest(data_frame=scores, max_workers=1, wait=True)
    store = FeatureStore(sagemaker_session=session)
    frame, _ = store.create_dataset(base=first, output_path=f"{place}/datasets").with_feature_group(
        second, target_feature_name_in_base="id"
    ).to_dataframe()  # fmt: skip
    assert sorted(frame["id"]) == [1, 1, 3] and sorted(frame["score.1"]) == [10, 20, 30]
    builder = store.create_dataset(base=first, output_path=f"{place}/datasets")
    frame, _ = builder.with_feature_group(second, "id").point_in_time_accurate_join().to_dataframe()
    assert sorted(frame["score.1"]) == [10, 30]
    builder = store.create_dataset(base=first, output_path=f"{place}/datasets")
    frame, _ = builder.with_event_time_range(
        datetime.datetime.fromtimestamp(NOW + 30), datetime.datetime.fromtimestamp(NOW + 90)
    ).to_dataframe()
    assert list(frame["id"]) == [2]
    builder = store.create_dataset(base=first, output_path=f"{place}/datasets")
    frame, _ = builder.as_of(datetime.datetime.now() - datetime.timedelta(days=1)).to_dataframe()
    assert len(frame) == 0


def test_a_dataset_over_a_data_frame(group, session, place):
    scores = pd.DataFrame({"id": [1, 3], "score": [10, 30], "event_time": [NOW, NOW]})
    second = group(scores)
    second.ingest(data_frame=scores, max_workers=1, wait=True)
    store = FeatureStore(sagemaker_session=session)
    base = people()[["id", "x", "event_time"]]
    frame, _ = store.create_dataset(
        base=base, output_path=f"{place}/datasets", record_identifier_feature_name="id",
        event_time_identifier_feature_name="event_time",
    ).with_feature_group(second, "id").to_dataframe()  # fmt: skip
    assert sorted(frame["score.1"]) == [10, 30] and sorted(frame["x"]) == [0.5, 2.5]
