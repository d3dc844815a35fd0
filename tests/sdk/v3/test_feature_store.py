"""Feature Store through SDK v3, as its documentation uses it."""

import uuid

import pandas as pd
import pytest
from sagemaker.core.resources import FeatureGroup
from sagemaker.core.shapes import FeatureValue, OfflineStoreConfig, OnlineStoreConfig, S3StorageConfig
from sagemaker.mlops.feature_store import (
    DatasetBuilder,
    create_athena_query,
    ingest_dataframe,
    list_records,
    load_feature_definitions_from_dataframe,
)

NOW = 1714564800.0


@pytest.fixture
def place(session):
    return f"s3://{session.default_bucket()}/feature-store/{uuid.uuid4().hex[:8]}"


@pytest.fixture
def group(role, place):
    """``group(frame)``: the name of a feature group for the frame, created."""
    made = []

    def make(frame):
        name = f"group-{uuid.uuid4().hex[:8]}"
        new = FeatureGroup.create(
            feature_group_name=name,
            record_identifier_feature_name="id",
            event_time_feature_name="event_time",
            feature_definitions=load_feature_definitions_from_dataframe(frame),
            online_store_config=OnlineStoreConfig(enable_online_store=True),
            offline_store_config=OfflineStoreConfig(s3_storage_config=S3StorageConfig(s3_uri=place)),
            role_arn=role,
        )
        new.wait_for_status("Created")
        made.append(new)
        return name

    yield make
    for new in made:
        new.delete()


def people():
    return pd.DataFrame({"id": [1, 2, 3], "x": [0.5, 1.5, 2.5], "event_time": [NOW, NOW + 60, NOW + 7200]})


@pytest.mark.parametrize("in_batches", [False, True])
def test_ingest_read_and_query(group, session, place, in_batches):
    name = group(people())
    ingest_dataframe(name, people(), max_workers=2, wait=True, use_batch_write_record=in_batches)
    found = FeatureGroup.get(name).get_record(record_identifier_value_as_string="2").record
    assert {value.feature_name: value.value_as_string for value in found}["x"] == "1.5"
    query = create_athena_query(name, session)
    query.run(f'SELECT sum(x) AS total FROM "{query.table_name}"', f"{place}/results")
    query.wait()
    assert list(query.as_dataframe()["total"]) == [4.5]


def test_records_one_by_one(group):
    resource = FeatureGroup.get(group(people()))
    record = [
        FeatureValue(feature_name=k, value_as_string=v) for k, v in (("id", "7"), ("event_time", str(NOW)), ("x", "1"))
    ]
    resource.put_record(record=record)
    assert "7" in str(list_records(resource.feature_group_name))
    resource.delete_record(record_identifier_value_as_string="7", event_time=str(NOW + 1))
    assert not resource.get_record(record_identifier_value_as_string="7").record


def test_a_dataset(group, session, place):
    scores = pd.DataFrame({"id": [1, 3], "score": [10, 30], "event_time": [NOW, NOW]})
    first, second = group(people()), group(scores)
    ingest_dataframe(first, people(), wait=True)
    ingest_dataframe(second, scores, wait=True)
    builder = DatasetBuilder.create(FeatureGroup.get(first), f"{place}/datasets", session)
    frame, _ = builder.with_feature_group(FeatureGroup.get(second), "id").to_dataframe()
    assert sorted(frame["score.1"]) == [10, 30]
