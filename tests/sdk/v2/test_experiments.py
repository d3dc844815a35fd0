"""``sagemaker.experiments`` and ``ExperimentAnalytics``, on the user's side and inside jobs."""

import json
import uuid

import pytest
import sagemaker
from sagemaker.analytics import ExperimentAnalytics
from sagemaker.experiments import Experiment, Run, list_runs, load_run
from sagemaker.processing import FrameworkProcessor
from sagemaker.sklearn import SKLearn, SKLearnProcessor

SKLEARN_VERSION = "1.4-2"

IN_JOB = """
from sagemaker.experiments import load_run
with load_run() as run:
    run.log_parameter("inside", 7)
    run.log_metric("inside:loss", 0.5, step=0)
print("acc=0.75;", flush=True)
"""


@pytest.fixture
def experiment():
    return f"exp-{uuid.uuid4().hex[:8]}"


def test_a_run_and_all_that_is_logged_to_it(session, s3, experiment, tmp_path):
    notes = tmp_path / "notes.txt"
    notes.write_text("as it was")
    with Run(experiment_name=experiment, run_name="First", run_display_name="one", sagemaker_session=session) as run:
        run.log_parameter("lr", 0.1)
        run.log_parameters({"optimizer": "adam", "epochs": 3})
        for step in range(12):
            run.log_metric(name="loss", value=12 - step, step=step)
        run.log_artifact("data", "s3://somewhere/data", media_type="text/csv", is_output=False)
        run.log_file(str(notes), name="notes")
        run.log_precision_recall([0, 1, 1, 0], [0.1, 0.8, 0.4, 0.5], title="curve")
        run.log_confusion_matrix([0, 1, 1], [0, 1, 0], title="matrix", is_output=False)
    with load_run(experiment_name=experiment, run_name="first", sagemaker_session=session) as again:
        component = again._trial_component
        assert component.parameters == {"lr": 0.1, "optimizer": "adam", "epochs": 3.0}
        assert component.display_name == "one"
        assert component.input_artifacts["data"].value == "s3://somewhere/data"
        uri = component.output_artifacts["notes"].value
        bucket, key = uri.removeprefix("s3://").split("/", 1)
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"as it was"
        [loss] = component.metrics
        assert (loss.metric_name, loss.min, loss.max, loss.last, loss.count) == ("loss", 1, 12, 1, 12)
        again.log_parameter("later", "yes")
    client = session.sagemaker_client
    described = client.describe_trial_component(TrialComponentName=f"{experiment}-first")
    assert described["Status"]["PrimaryStatus"] == "Completed"
    assert described["Parameters"]["later"] == {"StringValue": "yes"}
    arn = described["TrialComponentArn"]
    [made] = client.list_associations(SourceArn=arn)["AssociationSummaries"]
    assert (made["DestinationName"], made["DestinationType"]) == ("curve", "PrecisionRecallCurve")
    assert made["AssociationType"] == "Produced"
    [used] = client.list_associations(DestinationArn=arn)["AssociationSummaries"]
    assert (used["SourceName"], used["AssociationType"]) == ("matrix", "ContributedTo")
    curve = client.describe_artifact(ArtifactArn=made["DestinationArn"])
    bucket, key = curve["Source"]["SourceUri"].removeprefix("s3://").split("/", 1)
    assert json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())["type"] == "PrecisionRecallCurve"


def test_a_run_that_fails_says_so(session, experiment):
    with pytest.raises(RuntimeError), Run(experiment_name=experiment, run_name="bad", sagemaker_session=session):
        raise RuntimeError("it broke")
    status = session.sagemaker_client.describe_trial_component(TrialComponentName=f"{experiment}-bad")["Status"]
    assert status == {"PrimaryStatus": "Failed", "Message": "it broke"}


def test_runs_are_listed_compared_and_deleted(session, experiment):
    for number in range(3):
        with Run(experiment_name=experiment, run_name=f"r{number}", sagemaker_session=session) as run:
            run.log_parameter("depth", number)
            run.log_metric("acc", [0.2, 0.9, 0.5][number])
    names = [run.run_name for run in list_runs(experiment_name=experiment, sagemaker_session=session)]
    assert names == ["r2", "r1", "r0"]
    table = ExperimentAnalytics(
        experiment_name=experiment, sort_by="metrics.acc.max", sort_order="Descending", sagemaker_session=session
    ).dataframe()
    assert list(table["TrialComponentName"]) == [f"{experiment}-r{n}" for n in (1, 2, 0)]
    assert list(table["depth"]) == [1, 2, 0]
    assert list(table["acc - Last"]) == [0.9, 0.5, 0.2]
    assert list(table["Experiments"]) == [[experiment]] * 3
    loaded = Experiment.load(experiment_name=experiment, sagemaker_session=session)
    loaded._delete_all(action="--force")
    with pytest.raises(session.sagemaker_client.exceptions.ResourceNotFound):
        Experiment.load(experiment_name=experiment, sagemaker_session=session)


def test_a_job_under_a_run_is_tracked(session, experiment, folder, sklearn):
    with Run(experiment_name=experiment, run_name="train", sagemaker_session=session) as run:
        estimator = sklearn(
            "train.py",
            source_dir=folder({"train.py": IN_JOB, "requirements.txt": f"sagemaker=={sagemaker.__version__}\n"}),
            hyperparameters={"depth": 5, "kind": "tree"},
            metric_definitions=[{"Name": "acc", "Regex": "acc=(.*?);"}],
        )
        estimator.fit(wait=True, logs=False)  # the run is the context: it gives the experiment's configuration
    job = estimator.latest_training_job.name
    described = estimator.latest_training_job.describe()
    assert described["ExperimentConfig"] == run.experiment_config
    run_component = session.sagemaker_client.describe_trial_component(TrialComponentName=f"{experiment}-train")
    assert run_component["Parameters"]["inside"] == {"NumberValue": 7}
    assert [m["MetricName"] for m in run_component["Metrics"]] == ["inside:loss"]
    assert run_component["Sources"][0]["SourceArn"] == described["TrainingJobArn"]
    table = ExperimentAnalytics(experiment_name=experiment, sagemaker_session=session).dataframe()
    [row] = table[table["TrialComponentName"] == f"{job}-aws-training-job"].to_dict("records")
    assert (row["depth"], row["acc - Max"], row["SageMaker.InstanceCount"]) == (5, 0.75, 1)
    assert row["SourceArn"] == described["TrainingJobArn"]
    assert row["SageMaker.ModelArtifact - Value"] == estimator.model_data
    assert [r.run_name for r in list_runs(experiment_name=experiment, sagemaker_session=session)] == ["train"]


def test_a_processing_job_names_its_experiment(session, role, experiment, tmp_path):
    Experiment.create(experiment_name=experiment, sagemaker_session=session)
    script = tmp_path / "work.py"
    script.write_text("print('done')")
    processor = SKLearnProcessor(SKLEARN_VERSION, role, instance_type="ml.m5.large", instance_count=1)
    config = {"ExperimentName": experiment, "TrialComponentDisplayName": "prepare"}
    processor.run(code=str(script), wait=True, logs=False, experiment_config=config)
    table = ExperimentAnalytics(experiment_name=experiment, sagemaker_session=session).dataframe()
    assert list(table["DisplayName"]) == ["prepare"]
    assert table["SourceArn"][0].endswith(processor.latest_job.job_name)


def test_a_processing_job_logs_to_the_run_that_it_was_started_under(session, role, experiment, folder):
    processor = FrameworkProcessor(
        estimator_cls=SKLearn,
        framework_version=SKLEARN_VERSION,
        role=role,
        instance_type="ml.m5.large",
        instance_count=1,
        sagemaker_session=session,
    )
    source = folder({"work.py": IN_JOB, "requirements.txt": f"sagemaker=={sagemaker.__version__}\n"})
    with Run(experiment_name=experiment, run_name="prepare", sagemaker_session=session) as run:
        processor.run(code="work.py", source_dir=source, wait=True, logs=False)
    described = processor.latest_job.describe()
    assert described["ExperimentConfig"] == run.experiment_config
    component = session.sagemaker_client.describe_trial_component(TrialComponentName=f"{experiment}-prepare")
    assert component["Parameters"]["inside"] == {"NumberValue": 7}
    assert [metric["MetricName"] for metric in component["Metrics"]] == ["inside:loss"]
    assert component["Sources"][0]["SourceArn"] == described["ProcessingJobArn"]
