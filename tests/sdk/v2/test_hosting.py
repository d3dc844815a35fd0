"""deploy() and predict() of scikit-learn models, as SDK v2 does them."""

import numpy as np
import pytest
from botocore.exceptions import ClientError
from sagemaker.deserializers import CSVDeserializer, JSONDeserializer, NumpyDeserializer
from sagemaker.predictor import Predictor
from sagemaker.serializers import CSVSerializer, JSONLinesSerializer, JSONSerializer, NumpySerializer
from sagemaker.sklearn import SKLearnModel
from sklearn.datasets import load_wine

TRAIN = """
import os, joblib
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

def model_fn(model_dir):
    return joblib.load(os.path.join(model_dir, "model.joblib"))

if __name__ == "__main__":
    model = make_pipeline(StandardScaler(), LogisticRegression())
    model.fit(*load_wine(return_X_y=True))
    joblib.dump(model, os.path.join(os.environ["SM_MODEL_DIR"], "model.joblib"))
"""

HANDLERS = """
import io, os, joblib, json
import numpy as np

def model_fn(model_dir):
    return joblib.load(os.path.join(model_dir, "model.joblib"))

def input_fn(body, content_type):
    text = body.decode() if isinstance(body, bytes) else body
    if content_type == "application/jsonlines":
        return np.array([json.loads(line)["features"] for line in text.splitlines()])
    if content_type == "text/csv":
        return np.loadtxt(io.StringIO(text), delimiter=",", ndmin=2)
    raise ValueError("no " + content_type + " here")

def predict_fn(data, model):
    return model.predict_proba(data)

def output_fn(probabilities, accept):
    return json.dumps({"best": probabilities.argmax(axis=1).tolist(), "who": os.environ.get("WHO", "")})
"""


@pytest.fixture(scope="module")
def wine():
    return load_wine(return_X_y=True)


@pytest.fixture(scope="module")
def trained(session, role, tmp_path_factory):
    """A fitted SKLearn estimator."""
    from sagemaker.sklearn import SKLearn

    source = tmp_path_factory.mktemp("wine")
    (source / "train.py").write_text(TRAIN)
    estimator = SKLearn(
        entry_point="train.py",
        source_dir=str(source),
        framework_version="1.4-2",
        role=role,
        instance_type="ml.m5.large",
        sagemaker_session=session,
    )
    estimator.fit()
    return estimator


@pytest.fixture(scope="module")
def predictor(trained):
    deployed = trained.deploy(initial_instance_count=1, instance_type="ml.m5.large")
    yield deployed
    deployed.delete_model()
    deployed.delete_endpoint()


@pytest.mark.parametrize(
    ("serializer", "deserializer"),
    [
        (NumpySerializer(), NumpyDeserializer()),
        (CSVSerializer(), CSVDeserializer()),
        (JSONSerializer(), JSONDeserializer()),
        (CSVSerializer(), JSONDeserializer()),
        (JSONSerializer(), NumpyDeserializer()),
    ],
    ids=lambda part: type(part).__name__,
)
def test_predict_in_every_default_format(predictor, wine, serializer, deserializer):
    features, labels = wine
    predictor.serializer, predictor.deserializer = serializer, deserializer
    answers = np.array(predictor.predict(features.tolist()), dtype=float).reshape(-1)
    assert answers.shape == labels.shape
    assert (answers == labels).mean() > 0.95


def test_another_process_can_predict_by_the_endpoints_name(predictor, session, wine):
    other = Predictor(predictor.endpoint_name, session, serializer=NumpySerializer(), deserializer=NumpyDeserializer())
    assert other.predict(wine[0][:2]).tolist() == wine[1][:2].tolist()


def test_handlers_of_an_sklearn_model(trained, session, role, folder, wine):
    model = SKLearnModel(
        model_data=trained.model_data,
        role=role,
        entry_point="inference.py",
        source_dir=folder({"inference.py": HANDLERS}),
        framework_version="1.4-2",
        sagemaker_session=session,
        env={"WHO": "me"},
    )
    predictor = model.deploy(
        initial_instance_count=1,
        instance_type="ml.m5.large",
        serializer=CSVSerializer(),
        deserializer=JSONDeserializer(),
    )
    features, labels = wine
    try:
        answer = predictor.predict(features)
        assert (np.array(answer["best"]) == labels).mean() > 0.95
        assert answer["who"] == "me"
        predictor.serializer = JSONLinesSerializer()
        lines = predictor.predict([{"features": row.tolist()} for row in features[:4]])
        assert lines["best"] == labels[:4].tolist()
        predictor.serializer = JSONSerializer()
        with pytest.raises(ClientError) as caught:
            predictor.predict([[1]])
        assert caught.value.response["Error"]["Code"] == "ModelError"
        assert "no application/json here" in str(caught.value)
    finally:
        predictor.delete_model()
        predictor.delete_endpoint()


def test_update_endpoint_takes_a_new_model(trained, session, role, folder, wine):
    def model(who):
        return SKLearnModel(
            model_data=trained.model_data,
            role=role,
            entry_point="inference.py",
            source_dir=folder({"inference.py": HANDLERS}),
            framework_version="1.4-2",
            sagemaker_session=session,
            env={"WHO": who},
        )

    formats = {"serializer": CSVSerializer(), "deserializer": JSONDeserializer()}
    first = model("first")
    predictor = first.deploy(1, "ml.m5.large", **formats)
    second = model("second")
    second.create("ml.m5.large")
    try:
        assert predictor.predict(wine[0][:1])["who"] == "first"
        predictor.update_endpoint(
            model_name=second.name, initial_instance_count=1, instance_type="ml.m5.large", wait=True
        )
        assert predictor.predict(wine[0][:1])["who"] == "second"
    finally:
        predictor.delete_endpoint()
        first.delete_model()
        second.delete_model()


def test_after_delete_nothing_is_left(trained, session):
    predictor = trained.deploy(initial_instance_count=1, instance_type="ml.m5.large")
    name = predictor.endpoint_name
    predictor.delete_model()
    predictor.delete_endpoint()
    client = session.sagemaker_client
    client.get_waiter("endpoint_deleted").wait(EndpointName=name)
    assert name not in [e["EndpointName"] for e in client.list_endpoints(NameContains=name)["Endpoints"]]
    assert name not in [
        c["EndpointConfigName"] for c in client.list_endpoint_configs(NameContains=name)["EndpointConfigs"]
    ]
    with pytest.raises(ClientError):
        predictor.predict(np.zeros((1, 13)))
