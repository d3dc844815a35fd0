"""The /opt/ml contract, seen from inside a job."""

import json

import pytest


@pytest.fixture(scope="module")
def seen(account, probe, channel):
    """What the probe saw in a job that uses most of the request."""
    uri = account.put("contract/data.csv", "1,2\n")
    return probe(
        base="contract",
        HyperParameters={
            "epochs": "3",
            "rate": "0.5",
            "name": '"quoted"',
            "raw": "plain text",
            "nested": '{"a": [1, 2]}',
            "flag": "true",
        },
        Environment={"MY_SETTING": "a value with spaces", "EMPTY": ""},
        InputDataConfig=[channel("train", uri, ContentType="text/csv", RecordWrapperType="None")],
    )


def config(seen, name):
    return json.loads(seen["files"][f"input/config/{name}.json"])


def test_hyperparameters_json_holds_strings_as_they_were_sent(seen):
    hyperparameters = config(seen, "hyperparameters")
    assert all(isinstance(value, str) for value in hyperparameters.values())
    assert hyperparameters["epochs"] == "3"
    assert hyperparameters["name"] == '"quoted"'
    assert hyperparameters["sagemaker_program"] == "train.py"


def test_hyperparameters_become_arguments_of_the_script(seen):
    arguments = seen["argv"][1:]
    pairs = dict(zip(arguments[::2], arguments[1::2], strict=True))
    assert pairs == {
        "--epochs": "3",
        "--rate": "0.5",
        "--name": "quoted",
        "--raw": "plain text",
        "--nested": "a=[1, 2]",  # sagemaker-training's form of a mapping
        "--flag": "True",
    }


def test_inputdataconfig_describes_the_channel(seen):
    train = config(seen, "inputdataconfig")["train"]
    assert train["ContentType"] == "text/csv"
    assert train["TrainingInputMode"] == "File"
    assert train["S3DistributionType"] == "FullyReplicated"
    assert train["RecordWrapperType"] == "None"


def test_resourceconfig_names_the_hosts(seen):
    resources = config(seen, "resourceconfig")
    assert resources["current_host"] == "algo-1"
    assert resources["hosts"] == ["algo-1"]
    assert resources["network_interface_name"]
    assert resources["current_instance_type"] == "ml.m5.large"


def test_the_job_runs_in_a_private_opt_ml(seen):
    assert seen["files"]["input/data/train/data.csv"] == "1,2\n"
    assert {"model", "output", "output/data", "input/config", "code"} <= set(seen["folders"])


def test_sm_variables_point_at_the_contract(seen):
    environ = seen["environ"]
    expected = {
        "SM_MODEL_DIR": "/opt/ml/model",
        "SM_INPUT_DIR": "/opt/ml/input",
        "SM_INPUT_CONFIG_DIR": "/opt/ml/input/config",
        "SM_OUTPUT_DIR": "/opt/ml/output",
        "SM_OUTPUT_DATA_DIR": "/opt/ml/output/data",
        "SM_CHANNEL_TRAIN": "/opt/ml/input/data/train",
        "SM_CURRENT_HOST": "algo-1",
        "SM_USER_ENTRY_POINT": "train.py",
        "SM_MODULE_NAME": "train",
        "SM_NUM_GPUS": "0",
    }
    assert {name: environ.get(name) for name in expected} == expected
    assert json.loads(environ["SM_HOSTS"]) == ["algo-1"]
    assert json.loads(environ["SM_CHANNELS"]) == ["train"]
    assert int(environ["SM_NUM_CPUS"]) >= 1
    assert environ["SM_NETWORK_INTERFACE_NAME"]
    assert environ["SM_LOG_LEVEL"]
    assert environ["SM_FRAMEWORK_MODULE"].startswith("sagemaker_sklearn_container")


def test_sm_variables_carry_the_hyperparameters_decoded(seen):
    environ = seen["environ"]
    assert json.loads(environ["SM_HPS"]) == {
        "epochs": 3,
        "rate": 0.5,
        "name": "quoted",
        "raw": "plain text",
        "nested": {"a": [1, 2]},
        "flag": True,
    }
    assert environ["SM_HP_EPOCHS"] == "3"
    assert environ["SM_HP_NAME"] == "quoted"
    assert json.loads(environ["SM_USER_ARGS"])[:2] == ["--epochs", "3"]


def test_sm_training_env_is_the_whole_as_json(seen):
    training = json.loads(seen["environ"]["SM_TRAINING_ENV"])
    assert training["hyperparameters"]["epochs"] == 3
    assert training["channel_input_dirs"] == {"train": "/opt/ml/input/data/train"}
    assert training["job_name"] == seen["described"]["TrainingJobName"]
    assert training["model_dir"] == "/opt/ml/model"


def test_the_job_knows_its_own_name_and_arn(seen):
    described = seen["described"]
    assert seen["environ"]["TRAINING_JOB_NAME"] == described["TrainingJobName"]
    assert seen["environ"]["TRAINING_JOB_ARN"] == described["TrainingJobArn"]


def test_the_environment_of_the_request_reaches_the_job(seen):
    assert seen["environ"]["MY_SETTING"] == "a value with spaces"
    assert seen["environ"]["EMPTY"] == ""


def test_of_the_servers_settings_only_its_address_reaches_the_job(seen):
    names = [name for name in seen["environ"] if name.startswith("SELFMAKER_")]
    assert names in ([], ["SELFMAKER_ENDPOINT_URL"])


def test_places_that_the_servers_variables_name_are_there(account_on, new_server, tmp_path, monkeypatch):
    wheels, bundle = tmp_path / "wheels", tmp_path / "ca.pem"
    wheels.mkdir()
    (wheels / "a.whl").write_text("")
    bundle.write_text("trusted")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    account = account_on(new_server())
    looks = """
import json, os
seen = {"wheels": os.listdir(os.environ["PIP_FIND_LINKS"]), "trusted": open(os.environ["REQUESTS_CA_BUNDLE"]).read()}
json.dump(seen, open("/opt/ml/model/seen.json", "w"))
"""
    described = account.succeed(looks)
    assert json.loads(account.artifact(described)["seen.json"]) == {"wheels": ["a.whl"], "trusted": "trusted"}
    other = "import os; assert not os.path.exists(os.environ['PIP_CERT'])"  # a request may name any file
    account.succeed(other, Environment={"PIP_CERT": str(tmp_path / "home0")})


def test_the_job_can_reach_its_own_account(account):
    source = """
import os, urllib.request, pathlib
names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_ENDPOINT_URL")
print("present:", *(name for name in names if os.environ.get(name)))
try:
    urllib.request.urlopen(os.environ["AWS_ENDPOINT_URL"] + "/nobodys-bucket", timeout=30)
except urllib.error.HTTPError as error:
    print("answered:", error.code)
"""
    described = account.succeed(source)
    log = account.log_text(described["TrainingJobName"])
    assert "present: AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_REGION AWS_ENDPOINT_URL" in log
    assert "answered: 403" in log


def test_a_jobs_credentials_are_its_own_and_end_with_it(account):
    source = """
import os
print("key", os.environ["AWS_ACCESS_KEY_ID"], "secret", os.environ["AWS_SECRET_ACCESS_KEY"], "end")
"""
    described = account.succeed(source)
    line = next(line for line in account.log(described["TrainingJobName"]) if line.startswith("key "))
    _, key, _, secret, _ = line.split()
    assert key != account.server.document("credentials")["access_key_id"]
    late = account.server.client("s3", aws_access_key_id=key, aws_secret_access_key=secret)
    with pytest.raises(late.exceptions.ClientError) as caught:
        late.list_buckets()
    assert caught.value.response["Error"]["Code"] == "InvalidAccessKeyId"


def test_an_isolated_job_has_no_network(account):
    source = """
import os, socket
interfaces = sorted(name for _, name in socket.if_nameindex())
print("interfaces:", interfaces)
try:
    socket.create_connection(("127.0.0.1", PORT), timeout=5)
    print("connected")
except OSError as error:
    print("refused:", error)
""".replace("PORT", str(account.server.document("server")["port"]))
    isolated = account.succeed(source, EnableNetworkIsolation=True)
    assert "refused:" in account.log_text(isolated["TrainingJobName"])
    open_ = account.succeed(source)
    assert "connected" in account.log_text(open_["TrainingJobName"])


def test_the_servers_home_is_hidden_from_the_job(account):
    home = account.server.home
    source = f"""
import pathlib
home = pathlib.Path({str(home)!r})
print("found:", sorted(p.name for p in home.glob("*")) if home.is_dir() else [])
"""
    described = account.succeed(source)
    assert "found: []" in account.log_text(described["TrainingJobName"])


def test_jobs_do_not_see_each_others_processes_or_temporary_files(account):
    source = """
import os, pathlib
print("tmp:", sorted(os.listdir("/tmp")))
pathlib.Path("/tmp/left-behind").write_text("x")
others = [int(p) for p in os.listdir("/proc") if p.isdigit()]
print("processes:", len(others), "mine:", os.getpid())
"""
    account.succeed(source)
    described = account.succeed(source)
    log = account.log_text(described["TrainingJobName"])
    assert "left-behind" not in log
    assert int(log.split("processes: ")[1].split()[0]) < 10
