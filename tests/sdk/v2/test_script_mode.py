"""Training scripts of every shape, through the SDK's estimators."""

import json
from pathlib import Path

import pytest
from sagemaker import image_uris
from sagemaker.exceptions import UnexpectedStatusException
from sagemaker.inputs import TrainingInput

PARSES = """
import argparse, json, os, pathlib
parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int)
parser.add_argument("--learning-rate", type=float)
parser.add_argument("--name")
parser.add_argument("--layers")
parser.add_argument("--flag")
parser.add_argument("--empty", default="default")
args = vars(parser.parse_args())
args["sm_hps"] = json.loads(os.environ["SM_HPS"])
pathlib.Path(os.environ["SM_MODEL_DIR"], "args.json").write_text(json.dumps(args))
"""

HYPERPARAMETERS = {
    "epochs": 3,
    "learning-rate": 0.25,
    "name": 'it\'s "quoted" & spaced',
    "layers": [64, 32],
    "flag": True,
}


WORK = "def work():\n    print('helper worked')\n"
PROBE = (Path(__file__).parent.parent / "programs" / "probe.py").read_text()


def probe_and(code):
    """The probe program, and then ``code``."""
    return f"{PROBE}\n{code}\n"


def logged(estimator):
    """The text of the latest job's log."""
    name = estimator.latest_training_job.name
    logs = estimator.sagemaker_session.boto_session.client("logs")
    group = "/aws/sagemaker/TrainingJobs"
    lines = []
    for stream in logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{name}/")["logStreams"]:
        arguments = {"logGroupName": group, "logStreamName": stream["logStreamName"], "startFromHead": True}
        page = logs.get_log_events(**arguments)
        while page["events"]:
            lines += [event["message"] for event in page["events"]]
            page = logs.get_log_events(**arguments, nextToken=page["nextForwardToken"])
    return "\n".join(lines)


def arguments_of(estimator, s3, archive):
    return json.loads(archive(s3, estimator.model_data)["args.json"])


def test_framework_hyperparameters_keep_their_types(sklearn, folder, s3, archive):
    source = folder({"train.py": PARSES})
    estimator = sklearn("train.py", source_dir=source, hyperparameters=dict(HYPERPARAMETERS))
    estimator.fit()
    args = arguments_of(estimator, s3, archive)
    assert args["epochs"] == 3
    assert args["learning_rate"] == 0.25
    assert args["name"] == HYPERPARAMETERS["name"]
    assert json.loads(args["layers"]) == [64, 32]
    assert args["flag"] == "True"
    assert args["empty"] == "default"
    assert args["sm_hps"] == HYPERPARAMETERS


def test_a_generic_estimator_in_script_mode_does_the_same(generic, folder, session, s3, archive):
    image = image_uris.retrieve("sklearn", session.boto_region_name, "1.4-2", instance_type="ml.m5.large")
    estimator = generic(
        image, entry_point="train.py", source_dir=folder({"train.py": PARSES}), hyperparameters=dict(HYPERPARAMETERS)
    )
    estimator.fit()
    args = arguments_of(estimator, s3, archive)
    assert args["name"] == HYPERPARAMETERS["name"]
    assert args["sm_hps"] == HYPERPARAMETERS


def test_a_single_file_is_enough(sklearn, folder, seen):
    path = folder({"alone.py": probe_and("")}) + "/alone.py"
    estimator = sklearn(path)
    estimator.fit()
    found = seen(estimator)
    assert found["argv"][0].endswith("alone.py")
    assert found["environ"]["SM_USER_ENTRY_POINT"] == "alone.py"


def test_modules_beside_the_script_can_be_imported(sklearn, folder, seen):
    source = folder({"train.py": probe_and("import helper; helper.work()"), "helper.py": WORK, "pack/__init__.py": ""})
    estimator = sklearn("train.py", source_dir=source)
    estimator.fit()
    assert "helper worked" in logged(estimator)


def test_a_script_in_a_subfolder(sklearn, folder, seen):
    source = folder({"deep/er/train.py": probe_and("")})
    estimator = sklearn("deep/er/train.py", source_dir=source)
    estimator.fit()
    assert seen(estimator)["argv"][0].endswith("deep/er/train.py")


def test_dependencies_lie_beside_the_script(sklearn, folder):
    library = folder({"library/__init__.py": WORK, "library/data.txt": "x"}) + "/library"
    source = folder({"train.py": "import library; library.work()"})
    estimator = sklearn("train.py", source_dir=source, dependencies=[library])
    estimator.fit()
    assert "helper worked" in logged(estimator)


def test_requirements_txt_is_installed_before_the_script_runs(sklearn, folder):
    source = folder(
        {
            "train.py": "import tabulate; print('tabulate', tabulate.__version__, 'is here')",
            "requirements.txt": "# a comment\ntabulate==0.9.0\n",
        }
    )
    estimator = sklearn("train.py", source_dir=source)
    estimator.fit()
    assert "tabulate 0.9.0 is here" in logged(estimator)


def test_a_requirement_that_cannot_be_had_fails_the_job_by_name(sklearn, folder):
    source = folder({"train.py": "pass", "requirements.txt": "tabulate==999.0\n"})
    estimator = sklearn("train.py", source_dir=source)
    with pytest.raises(UnexpectedStatusException) as caught:
        estimator.fit()
    assert "tabulate" in str(caught.value) + logged(estimator)


def test_a_shell_script_is_an_entry_point(sklearn, folder, s3, archive):
    script = '#!/bin/bash\nset -e\necho "args: $@"\necho "$SM_HP_EPOCHS" > "$SM_MODEL_DIR/epochs"\npython helper.py\n'
    source = folder({"train.sh": script, "helper.py": f"{WORK}\nwork()"})
    estimator = sklearn("train.sh", source_dir=source, hyperparameters={"epochs": 7})
    estimator.fit()
    assert archive(s3, estimator.model_data)["epochs"] == b"7\n"
    assert "args: --epochs 7" in logged(estimator)
    assert "helper worked" in logged(estimator)


def test_a_shell_script_installs_its_requirements_itself(sklearn, folder):
    """The toolkit does so for Python alone; the SDK repacks models, with whatever requirements, by a shell script."""
    source = folder({"train.sh": "#!/bin/bash\ncat requirements.txt\n", "requirements.txt": "tabulate==999.0\n"})
    estimator = sklearn("train.sh", source_dir=source)
    estimator.fit()
    assert "tabulate==999.0" in logged(estimator)


def test_a_source_folder_with_setup_py_is_run_as_a_module(sklearn, folder, seen):
    source = folder(
        {
            "setup.py": "from setuptools import setup\nsetup(name='m', version='1', py_modules=['train', 'extra'])\n",
            "train.py": probe_and("import extra; extra.work(); print('as', __name__)"),
            "extra.py": WORK,
        }
    )
    estimator = sklearn("train.py", source_dir=source, hyperparameters={"alpha": 1, "b": 2})
    estimator.fit()
    assert "helper worked" in logged(estimator)
    assert "as __main__" in logged(estimator)
    assert seen(estimator)["argv"][1:] == ["--alpha", "1", "-b", "2"]


def test_channels_and_environment_reach_the_script(sklearn, folder, session, seen):
    uri = session.upload_string_as_file_body("a,b\n1,2\n", session.default_bucket(), "v2/channels/data.csv")
    source = folder({"train.py": probe_and("")})
    estimator = sklearn("train.py", source_dir=source, environment={"COLOUR": "blue"})
    estimator.fit({"train": uri, "test": TrainingInput(uri, content_type="text/csv")})
    found = seen(estimator)
    assert found["files"]["input/data/train/data.csv"] == "a,b\n1,2\n"
    assert json.loads(found["environ"]["SM_CHANNELS"]) == ["test", "train"]
    assert found["environ"]["COLOUR"] == "blue"
    assert json.loads(found["files"]["input/config/inputdataconfig.json"])["test"]["ContentType"] == "text/csv"


def test_fit_streams_the_log_in_order(sklearn, folder, capsys):
    source = folder({"train.py": "for i in range(200): print('step', i)"})
    sklearn("train.py", source_dir=source).fit()
    printed = capsys.readouterr().out
    steps = [line.split()[-1] for line in printed.splitlines() if "step " in line]
    assert steps == [str(i) for i in range(200)]
    assert "Training seconds:" in printed


def test_a_failing_script_raises_with_the_reason(sklearn, folder):
    source = folder({"train.py": "raise KeyError('column price is missing')"})
    estimator = sklearn("train.py", source_dir=source)
    with pytest.raises(UnexpectedStatusException) as caught:
        estimator.fit()
    assert "column price is missing" in str(caught.value)
    assert caught.value.actual_status == "Failed"


def test_attach_gives_the_estimator_back(sklearn, folder, session, seen):
    source = folder({"train.py": probe_and("")})
    estimator = sklearn("train.py", source_dir=source, hyperparameters={"depth": 4, "name": "x"})
    estimator.fit()
    attached = type(estimator).attach(estimator.latest_training_job.name, sagemaker_session=session)
    assert attached.model_data == estimator.model_data
    assert attached.hyperparameters()["depth"] == "4"
    assert attached.entry_point == "train.py"
    assert attached.framework_version == estimator.framework_version
    assert seen(attached)["argv"][1:3] == ["--depth", "4"]


def test_metrics_come_as_a_data_frame(sklearn, folder):
    source = folder({"train.py": "import time\nfor v in (3, 2, 1): print(f'loss={v};', flush=True)"})
    estimator = sklearn("train.py", source_dir=source, metric_definitions=[{"Name": "loss", "Regex": "loss=(.*?);"}])
    estimator.fit()
    frame = estimator.training_job_analytics.dataframe()
    assert list(frame.columns) == ["timestamp", "metric_name", "value"]
    assert set(frame["metric_name"]) == {"loss"}
    assert frame["value"].mean() == pytest.approx(2)


def test_fit_without_waiting_then_stop(sklearn, folder, session):
    source = folder({"train.py": "import time\ntime.sleep(600)"})
    estimator = sklearn("train.py", source_dir=source)
    estimator.fit(wait=False)
    name = estimator.latest_training_job.name
    session.stop_training_job(name)
    session.sagemaker_client.get_waiter("training_job_completed_or_stopped").wait(TrainingJobName=name)
    assert session.describe_training_job(name)["TrainingJobStatus"] == "Stopped"


def test_without_logs_fit_waits_all_the_same(sklearn, folder, seen):
    estimator = sklearn("train.py", source_dir=folder({"train.py": probe_and("")}))
    estimator.fit(logs="None")
    assert seen(estimator)["module"] == "__main__"


def test_tags_and_output_path(sklearn, folder, session, s3, archive):
    path = f"s3://{session.default_bucket()}/v2/elsewhere"
    estimator = sklearn(
        "train.py",
        source_dir=folder({"train.py": "open('/opt/ml/model/m', 'w').write('x')"}),
        output_path=path,
        tags=[{"Key": "team", "Value": "blue"}],
    )
    estimator.fit()
    assert estimator.model_data == f"{path}/{estimator.latest_training_job.name}/output/model.tar.gz"
    assert archive(s3, estimator.model_data) == {"m": b"x"}
    arn = session.describe_training_job(estimator.latest_training_job.name)["TrainingJobArn"]
    assert {"Key": "team", "Value": "blue"} in session.sagemaker_client.list_tags(ResourceArn=arn)["Tags"]


def test_a_script_that_really_learns(sklearn, folder, session, s3, archive, tmp_path):
    from sklearn.datasets import load_diabetes

    data = load_diabetes(as_frame=True).frame
    data.to_csv(tmp_path / "data.csv", index=False)
    uri = session.upload_data(str(tmp_path / "data.csv"), key_prefix="v2/diabetes")
    source = folder(
        {
            "train.py": """
import json, os, pathlib
import pandas as pd
from sklearn.linear_model import LinearRegression
table = pd.read_csv(pathlib.Path(os.environ["SM_CHANNEL_TRAINING"], "data.csv"))
model = LinearRegression().fit(table.drop(columns="target"), table["target"])
pathlib.Path(os.environ["SM_MODEL_DIR"], "coef.json").write_text(json.dumps(list(model.coef_)))
"""
        }
    )
    estimator = sklearn("train.py", source_dir=source)
    estimator.fit(uri)
    learnt = json.loads(archive(s3, estimator.model_data)["coef.json"])
    from sklearn.linear_model import LinearRegression

    here = LinearRegression().fit(data.drop(columns="target"), data["target"]).coef_
    assert learnt == pytest.approx(list(here), rel=1e-6)
