"""Managed spot training: interruptions, what survives them, and what they save."""

import json

COUNTS = """
import pathlib, signal, time
folder = pathlib.Path("/opt/ml/checkpoints")
done = len(list(folder.glob("*.ckpt")))
(folder / f"{done + 1}.ckpt").write_text("state")
print(f"resumed after {done}", flush=True)
if done == 0:
    time.sleep(600)
pathlib.Path("/opt/ml/model/done.txt").write_text(str(done + 1))
"""


def spot(account, key, **stopping):
    return {
        "EnableManagedSpotTraining": True,
        "StoppingCondition": {"MaxRuntimeInSeconds": 300, "MaxWaitTimeInSeconds": 600, **stopping},
        "CheckpointConfig": {"S3Uri": f"s3://{account.bucket}/spot/{key}"},
    }


def test_an_interrupted_job_resumes_from_its_checkpoints(account):
    name = account.create(COUNTS, base="spot", **spot(account, "resume"))
    account.until_logged(name, "resumed after 0")
    told = account.server.selfmaker("interrupt", name)
    assert told.returncode == 0, told.stderr
    described = account.ended(name)
    assert described["TrainingJobStatus"] == "Completed", described.get("FailureReason")
    assert account.artifact(described) == {"done.txt": b"2"}
    assert [line for line in account.log(name) if line.startswith("resumed")] == ["resumed after 0", "resumed after 1"]
    statuses = [transition["Status"] for transition in described["SecondaryStatusTransitions"]]
    assert "Interrupted" in statuses
    assert statuses.index("Interrupted") < len(statuses) - 1 - statuses[::-1].index("Training")
    assert account.keys("spot/resume/") == ["1.ckpt", "2.ckpt"]
    assert 1 <= described["BillableTimeInSeconds"] <= described["TrainingTimeInSeconds"]


def test_the_saving_shows(account):
    described = account.succeed("import time; time.sleep(2.2)", base="spot", **spot(account, "saving"))
    assert described["TrainingTimeInSeconds"] >= 3
    assert described["BillableTimeInSeconds"] < described["TrainingTimeInSeconds"]


def test_a_job_that_waits_too_long_is_stopped(account):
    source = "import time; print('running', flush=True); time.sleep(600)"
    limits = {"MaxRuntimeInSeconds": 2, "MaxWaitTimeInSeconds": 2}
    described = account.ended(account.create(source, base="spot", **spot(account, "long", **limits)))
    assert described["TrainingJobStatus"] == "Stopped"
    assert described["SecondaryStatus"] in ("MaxWaitTimeExceeded", "MaxRuntimeExceeded")


def test_only_spot_jobs_are_interrupted(account):
    name = account.create("import time; print('running', flush=True); time.sleep(600)", base="steady")
    account.until_logged(name, "running")
    told = account.server.selfmaker("interrupt", name)
    assert told.returncode == 1
    assert "spot" in told.stderr
    assert "Traceback" not in told.stderr
    assert account.server.selfmaker("interrupt", "nobody").returncode == 1
    account.sagemaker.stop_training_job(TrainingJobName=name)
    assert account.ended(name)["TrainingJobStatus"] == "Stopped"


def test_interruptions_at_random(account_on, new_server):
    server = new_server(spot_interruption_seconds="1")
    account = account_on(server)
    source = COUNTS.replace("if done == 0:", "if done < 2:")
    described = account.ended(account.create(source, base="random", **spot(account, "random")))
    assert described["TrainingJobStatus"] == "Completed", described.get("FailureReason")
    statuses = [transition["Status"] for transition in described["SecondaryStatusTransitions"]]
    assert statuses.count("Interrupted") >= 2
    assert json.loads(account.artifact(described)["done.txt"]) == 3
