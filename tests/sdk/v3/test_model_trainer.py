"""ModelTrainer of SDK v3, in the ways that its documentation shows."""

import json
import logging
import time

import pytest
from sagemaker.core.resources import TrainingJob
from sagemaker.core.shapes import CheckpointConfig, OutputDataConfig, StoppingCondition
from sagemaker.core.utils.exceptions import FailedStatusError
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData


@pytest.fixture(scope="module")
def probe_text(programs):
    return (programs / "probe.py").read_text()


def test_a_script_sees_its_channels_hyperparameters_and_environment(trainer, probe_text, session, seen):
    uri = session.upload_string_as_file_body("a,b\n1,2\n", session.default_bucket(), "v3/channels/data.csv")
    made = trainer(
        {"train.py": probe_text},
        hyperparameters={"epochs": 3, "rate": 0.5, "name": 'so "quoted" & $HOME', "layers": [1, 2], "flag": True},
        environment={"COLOUR": "blue"},
    )
    made.train(input_data_config=[InputData(channel_name="train", data_source=uri)])
    found = seen(made)
    assert found["files"]["input/data/train/data.csv"] == "a,b\n1,2\n"
    assert found["environ"]["COLOUR"] == "blue"
    assert found["environ"]["SM_CHANNEL_TRAIN"] == "/opt/ml/input/data/train"
    assert found["environ"]["SM_MODEL_DIR"] == "/opt/ml/model"
    hyperparameters = json.loads(found["environ"]["SM_HPS"])
    assert hyperparameters["epochs"] == 3
    assert hyperparameters["name"] == 'so "quoted" & $HOME'
    assert hyperparameters["layers"] == [1, 2]
    arguments = found["argv"][1:]
    assert arguments[arguments.index("--epochs") + 1] == "3"
    assert arguments[arguments.index("--name") + 1] == 'so "quoted" & $HOME'


def test_a_command_with_arguments(trainer, artifact):
    made = trainer(
        {"main.py": "import sys; open('/opt/ml/model/argv', 'w').write(repr(sys.argv[1:]))"},
        source={"command": "python main.py --first", "args": ["two words", 3]},
    )
    made.train()
    assert artifact(made)["argv"] == b"['--first', 'two words', '3']"


def test_jobs_of_one_trainer_may_follow_each_other_within_a_second(trainer):
    made = trainer({"train.py": "pass"})
    names = []
    for _ in range(3):
        made.train(wait=False)
        names.append(made._latest_training_job.training_job_name)
    assert len(set(names)) == 3
    for name in names:
        job = TrainingJob.get(name)
        job.wait()
        assert job.training_job_status == "Completed"


def test_requirements_are_installed(trainer, logged):
    made = trainer(
        {
            "train.py": "import tabulate; print('tabulate', tabulate.__version__, 'is here')",
            "requirements.txt": "tabulate==0.9.0\n",
        },
        source={"entry_script": "train.py", "requirements": "requirements.txt"},
    )
    made.train()
    assert "tabulate 0.9.0 is here" in logged(made)


def test_a_local_folder_is_an_input(trainer, probe_text, folder, seen):
    data = folder({"part-1.csv": "1", "sub/part-2.csv": "2"})
    made = trainer({"train.py": probe_text})
    made.train(input_data_config=[InputData(channel_name="train", data_source=data)])
    files = seen(made)["files"]
    assert files["input/data/train/part-1.csv"] == "1"
    assert files["input/data/train/sub/part-2.csv"] == "2"


def test_a_failing_script_raises_with_the_reason(trainer, logged):
    made = trainer({"train.py": "raise KeyError('column price is missing')"})
    with pytest.raises(FailedStatusError) as caught:
        made.train()
    assert "KeyError" in logged(made)
    assert "column price is missing" in logged(made)
    assert made._latest_training_job is not None
    assert "AlgorithmError: KeyError: 'column price is missing'" in str(caught.value)


def test_the_log_is_shown_while_waiting_line_by_line_in_order(trainer, caplog):
    caplog.set_level(logging.INFO, "sagemaker.core.resources")
    made = trainer({"train.py": "for i in range(200): print('step', i, flush=True)"})
    made.train()
    shown = [record.getMessage().rsplit("\n", 1)[-1] for record in caplog.records]
    assert [line for line in shown if line.startswith("step ")] == [f"step {i}" for i in range(200)]


def test_output_data_and_uncompressed_models(trainer, session, s3, archive):
    bucket = session.default_bucket()
    made = trainer(
        {
            "train.py": "open('/opt/ml/model/m.bin', 'w').write('m')",
        },
        output_data_config=OutputDataConfig(s3_output_path=f"s3://{bucket}/v3/out", compression_type="NONE"),
    )
    made.train()
    uri = made._latest_training_job.model_artifacts.s3_model_artifacts
    key = uri.removeprefix(f"s3://{bucket}/").rstrip("/") + "/m.bin"
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"m"


def test_output_archive(trainer, s3, archive):
    made = trainer({"train.py": "open('/opt/ml/output/data/o.txt', 'w').write('o')"})
    made.train()
    assert archive(s3, made.output_data) == {"o.txt": b"o"}


def test_checkpoints_are_restored(trainer, session, logged):
    uri = f"s3://{session.default_bucket()}/v3/checkpoints"
    source = {
        "train.py": """
import pathlib
folder = pathlib.Path("/opt/ml/checkpoints")
print("found:", sorted(p.name for p in folder.glob("*")))
(folder / f"epoch-{len(list(folder.glob('*')))}").write_text("x")
"""
    }
    for expected in ("found: []", "found: ['epoch-0']"):
        made = trainer(source, checkpoint_config=CheckpointConfig(s3_uri=uri))
        made.train()
        assert expected in logged(made)


def test_time_is_limited(trainer):
    made = trainer(
        {"train.py": "import time; time.sleep(600)"},
        stopping_condition=StoppingCondition(max_runtime_in_seconds=2),
    )
    made.train(wait=False)
    job = made._latest_training_job
    job.wait(logs=False)
    job.refresh()
    assert job.training_job_status == "Stopped"
    assert job.secondary_status == "MaxRuntimeExceeded"


def test_jobs_are_found_stopped_and_described_as_resources(trainer):
    made = trainer({"train.py": "import time; time.sleep(600)"})
    made.train(wait=False)
    name = made._latest_training_job.training_job_name
    job = TrainingJob.get(name)
    assert job.resource_config.instance_type == "ml.m5.large"
    assert name in [other.training_job_name for other in TrainingJob.get_all(name_contains=name)]
    job.stop()
    job.wait(poll=1, timeout=120)
    assert TrainingJob.get(name).training_job_status == "Stopped"


def test_a_script_that_is_stopped_can_save_what_it_has(trainer, logged, artifact):
    """It runs below shells and a driver that know nothing of SIGTERM."""
    script = """
import pathlib, signal, sys, time
def save(*_):
    pathlib.Path("/opt/ml/model/epoch").write_text("4")
    sys.exit(0)
signal.signal(signal.SIGTERM, save)
print("listening", flush=True)
time.sleep(600)
"""
    made = trainer({"train.py": script})
    made.train(wait=False)
    job = made._latest_training_job
    deadline = time.monotonic() + 60
    while "listening" not in logged(made):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    job.stop()
    job.wait(poll=1, timeout=120)
    assert TrainingJob.get(job.training_job_name).training_job_status == "Stopped"
    assert artifact(made) == {"epoch": b"4"}


def test_the_built_in_xgboost_algorithm(session, role, artifact, tmp_path):
    import numpy as np
    from sagemaker.core import image_uris
    from sklearn.datasets import load_breast_cancer

    features, labels = load_breast_cancer(return_X_y=True)
    np.savetxt(tmp_path / "train.csv", np.column_stack([labels, features]), delimiter=",")
    uri = session.upload_data(str(tmp_path / "train.csv"), key_prefix="v3/xgboost")
    made = ModelTrainer(
        training_image=image_uris.retrieve("xgboost", session.boto_region_name, version="1.7-1"),
        compute=Compute(instance_type="ml.m5.large", instance_count=1),
        hyperparameters={"objective": "binary:logistic", "num_round": 5, "max_depth": 3},
        role=role,
        base_job_name="v3-xgboost",
        sagemaker_session=session,
    )
    made.train(input_data_config=[InputData(channel_name="train", data_source=uri, content_type="text/csv")])
    assert list(artifact(made)) == ["xgboost-model"]
