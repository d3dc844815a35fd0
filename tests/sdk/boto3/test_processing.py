"""Processing jobs as plain boto3 sees them."""

import json
import time

import pytest
from botocore.exceptions import ClientError

GROUP = "/aws/sagemaker/ProcessingJobs"
FINAL = ("Completed", "Failed", "Stopped")


class Processing:
    """Submits processing jobs that run a script, for an Account."""

    def __init__(self, account):
        self.account = account

    def request(self, script, **members):
        name = members.pop("ProcessingJobName", None) or self.account.unique("processing")
        code = self.account.put(f"{name}/input/code/run.py", script)
        inputs = [
            self.input("code", code, "/opt/ml/processing/input/code"),
            *members.pop("ProcessingInputs", []),
        ]
        application = {
            "ImageUri": self.account.sklearn,
            "ContainerEntrypoint": ["python3", "/opt/ml/processing/input/code/run.py"],
        }
        cluster = {"InstanceType": "ml.m5.large", "InstanceCount": members.pop("InstanceCount", 1), "VolumeSizeInGB": 1}
        return {
            "ProcessingJobName": name,
            "RoleArn": self.account.role,
            "AppSpecification": {**application, **members.pop("AppSpecification", {})},
            "ProcessingResources": {"ClusterConfig": cluster},
            "ProcessingInputs": inputs,
            **members,
        }

    def input(self, name, uri, path, **members):
        data = {"S3Uri": uri, "LocalPath": path, "S3DataType": "S3Prefix", "S3InputMode": "File", **members}
        return {"InputName": name, "S3Input": data}

    def output(self, name, key, mode="EndOfJob"):
        uri = f"s3://{self.account.bucket}/{key}"
        return {
            "OutputName": name,
            "S3Output": {"S3Uri": uri, "LocalPath": f"/opt/ml/processing/{name}", "S3UploadMode": mode},
        }

    def create(self, script, **members):
        request = self.request(script, **members)
        self.account.sagemaker.create_processing_job(**request)
        return request["ProcessingJobName"]

    def describe(self, name):
        return self.account.sagemaker.describe_processing_job(ProcessingJobName=name)

    def ended(self, name, seconds=240):
        deadline = time.monotonic() + seconds
        while (described := self.describe(name))["ProcessingJobStatus"] not in FINAL:
            assert time.monotonic() < deadline, described
            time.sleep(0.03)
        return described

    def log(self, name):
        return self.account.log(name, GROUP)

    def until_logged(self, name, text, seconds=120):
        deadline = time.monotonic() + seconds
        while not any(text in line for line in self.log(name)):
            assert time.monotonic() < deadline, self.log(name)
            time.sleep(0.03)


@pytest.fixture(scope="module")
def processing(account):
    return Processing(account)


def test_inputs_outputs_arguments_and_configuration(processing, account):
    data = account.put("processing/in/a/x.csv", "1,2\n").rpartition("/a/")[0]
    script = """
import json, os, pathlib, sys
base = pathlib.Path("/opt/ml/processing")
seen = {
    "argv": sys.argv[1:],
    "flavour": os.environ["FLAVOUR"],
    "files": sorted(str(p.relative_to(base / "in")) for p in (base / "in").rglob("*") if p.is_file()),
    "job": json.load(open("/opt/ml/config/processingjobconfig.json")),
    "hosts": json.load(open("/opt/ml/config/resourceconfig.json")),
}
(base / "out/deep").mkdir()
(base / "out/deep/seen.json").write_text(json.dumps(seen))
(base / "in/a/x.csv").write_text("changed")
pathlib.Path("/opt/ml/output/message").write_text("12 rows")
"""
    name = processing.create(
        script,
        ProcessingInputs=[processing.input("data", data, "/opt/ml/processing/in")],
        ProcessingOutputConfig={"Outputs": [processing.output("out", "processing/out")]},
        AppSpecification={"ContainerArguments": ["--rows", "12"]},
        Environment={"FLAVOUR": "sour"},
    )
    described = processing.ended(name)
    assert described["ProcessingJobStatus"] == "Completed", processing.log(name)
    assert described["ExitMessage"] == "12 rows"
    seen = json.loads(account.get(f"s3://{account.bucket}/processing/out/deep/seen.json"))
    assert seen["argv"] == ["--rows", "12"]
    assert seen["flavour"] == "sour"
    assert seen["files"] == ["a/x.csv"]
    assert seen["job"]["ProcessingJobName"] == name
    assert seen["job"]["StoppingCondition"] == {"MaxRuntimeInSeconds": 86400}
    assert seen["job"]["ProcessingJobArn"] == described["ProcessingJobArn"]
    assert seen["hosts"] == {"current_host": "algo-1", "hosts": ["algo-1"]}
    assert account.get(f"{data}/a/x.csv") == b"1,2\n"
    assert described["ProcessingEndTime"] >= described["ProcessingStartTime"] >= described["CreationTime"]


def test_continuous_outputs_come_while_the_job_runs(processing, account):
    script = """
import pathlib, time
pathlib.Path("/opt/ml/processing/live/first.txt").write_text("1")
print("written", flush=True)
time.sleep(600)
"""
    output = processing.output("live", "processing/live", mode="Continuous")
    name = processing.create(script, ProcessingOutputConfig={"Outputs": [output]})
    deadline = time.monotonic() + 60
    while account.keys("processing/live/") != ["first.txt"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert processing.describe(name)["ProcessingJobStatus"] == "InProgress"
    account.sagemaker.stop_processing_job(ProcessingJobName=name)
    assert processing.ended(name)["ProcessingJobStatus"] == "Stopped"


def test_hosts_share_the_work_and_reach_each_other(processing, account):
    for number in range(4):
        account.put(f"processing/shards/{number}.txt", str(number))
    script = """
import json, pathlib, socket, threading, time
me = json.load(open("/opt/ml/config/resourceconfig.json"))["current_host"]
base = pathlib.Path("/opt/ml/processing")
if me == "algo-1":
    with socket.create_server((socket.gethostbyname(me), 17231)) as server:
        server.settimeout(60)
        connection, _ = server.accept()
        heard = connection.recv(100).decode()
else:
    for _ in range(600):
        try:
            with socket.create_connection(("algo-1", 17231), timeout=1) as client:
                client.sendall(me.encode())
            break
        except OSError:
            time.sleep(0.1)
    heard = ""
names = sorted(p.name for p in (base / "shards").iterdir())
(base / "out" / f"{me}.json").write_text(json.dumps({"names": names, "heard": heard}))
"""
    shards = processing.input(
        "shards",
        f"s3://{account.bucket}/processing/shards/",
        "/opt/ml/processing/shards",
        S3DataDistributionType="ShardedByS3Key",
    )
    name = processing.create(
        script,
        InstanceCount=2,
        ProcessingInputs=[shards],
        ProcessingOutputConfig={"Outputs": [processing.output("out", "processing/hosts")]},
    )
    assert processing.ended(name)["ProcessingJobStatus"] == "Completed", processing.log(name)
    seen = [json.loads(account.get(f"s3://{account.bucket}/processing/hosts/algo-{n}.json")) for n in (1, 2)]
    assert sorted(seen[0]["names"] + seen[1]["names"]) == ["0.txt", "1.txt", "2.txt", "3.txt"]
    assert len(seen[0]["names"]) == 2
    assert seen[0]["heard"] == "algo-2"


def test_one_host_fails_and_the_job_with_it(processing):
    script = """
import json, time
me = json.load(open("/opt/ml/config/resourceconfig.json"))["current_host"]
if me == "algo-2":
    raise RuntimeError("not with me")
time.sleep(600)
"""
    name = processing.create(script, InstanceCount=2)
    described = processing.ended(name)
    assert described["ProcessingJobStatus"] == "Failed"
    assert "not with me" in described["FailureReason"]


def test_a_failed_job_leaves_no_output(processing, account):
    script = """
import pathlib
pathlib.Path("/opt/ml/processing/never/half.txt").write_text("half")
raise SystemExit(3)
"""
    output = processing.output("never", "processing/never")
    described = processing.ended(processing.create(script, ProcessingOutputConfig={"Outputs": [output]}))
    assert described["ProcessingJobStatus"] == "Failed"
    assert "exit code: 3" in described["FailureReason"]
    assert account.keys("processing/never/") == []


def test_the_network_can_be_taken_away(processing):
    script = """
import socket
try:
    socket.create_connection(("127.0.0.1", %d), timeout=2)
except OSError:
    print("no way out")
"""
    port = int(processing.account.server.endpoint.rpartition(":")[2])
    isolated = processing.create(script % port, NetworkConfig={"EnableNetworkIsolation": True})
    assert processing.ended(isolated)["ProcessingJobStatus"] == "Completed"
    assert "no way out" in processing.log(isolated)
    connected = processing.create(script % port)
    processing.ended(connected)
    assert "no way out" not in processing.log(connected)


def test_time_limit(processing):
    name = processing.create("import time; time.sleep(600)", StoppingCondition={"MaxRuntimeInSeconds": 1})
    described = processing.ended(name)
    assert described["ProcessingJobStatus"] == "Stopped"


def test_list_tags_and_delete(processing, account):
    name = processing.create("pass", Tags=[{"Key": "team", "Value": "blue"}])
    described = processing.ended(name)
    listed = account.sagemaker.list_processing_jobs(NameContains=name)["ProcessingJobSummaries"]
    assert [job["ProcessingJobName"] for job in listed] == [name]
    assert account.sagemaker.list_tags(ResourceArn=described["ProcessingJobArn"])["Tags"] == [
        {"Key": "team", "Value": "blue"}
    ]
    with pytest.raises(account.sagemaker.exceptions.ResourceInUse):
        processing.create("pass", ProcessingJobName=name)
    account.sagemaker.delete_processing_job(ProcessingJobName=name)
    with pytest.raises(ClientError, match="Requested resource not found"):
        processing.describe(name)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"AppSpecification": {"ImageUri": "example.com/nobody:1"}}, "AppSpecification.ImageUri"),
        (
            {
                "AppSpecification": {
                    "ImageUri": "173754725891.dkr.ecr.us-east-1.amazonaws.com/sagemaker-spark-processing:3.3-cpu-py39"
                }
            },
            "spark",
        ),
        ({"ProcessingInputs": [{"InputName": "d", "DatasetDefinition": {}}]}, "DatasetDefinition"),
        ({"ProcessingInputs": [{"InputName": "d"}]}, "S3Input"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(processing, change, named):
    with pytest.raises(ClientError, match=named) as caught:
        processing.create("pass", **change)
    assert caught.value.response["Error"]["Code"] == "ValidationException"


def test_an_input_that_is_not_there_is_refused(processing, account):
    missing = processing.input("data", f"s3://{account.bucket}/not/there", "/opt/ml/processing/in")
    with pytest.raises(ClientError, match="No S3 objects found"):
        processing.create("pass", ProcessingInputs=[missing])
    outside = processing.input("data", f"s3://{account.bucket}/processing", "/etc")
    with pytest.raises(ClientError, match="LocalPath"):
        processing.create("pass", ProcessingInputs=[outside])


def test_two_things_have_no_place_in_common(processing, account):
    uri = account.put("processing/place/a.csv", "1")
    one = processing.input("one", uri, "/opt/ml/processing/in")
    two = processing.input("two", uri, "/opt/ml/processing/in/")
    for change in ({"ProcessingInputs": [one, two]}, {"ProcessingInputs": [one, {**two, "InputName": "one"}]}):
        with pytest.raises(ClientError, match="must be unique") as caught:
            processing.create("pass", **change)
        assert caught.value.response["Error"]["Code"] == "ValidationException"
    inside = processing.input("inside", uri, "/opt/ml/processing/in/deeper")
    looks = "import os; assert sorted(os.listdir('/opt/ml/processing/in')) == ['a.csv', 'deeper']"
    described = processing.ended(processing.create(looks, ProcessingInputs=[inside, one]))
    assert described["ProcessingJobStatus"] == "Completed", described.get("FailureReason")


def test_links_within_an_output_are_stored_as_the_files_that_they_lead_to(account, processing):
    """Relative or by the job's own paths; those that lead elsewhere, nowhere or in a circle are not."""
    script = """
import os
os.chdir("/opt/ml/processing/out")
os.makedirs("runs/3")
open("runs/3/best.txt", "w").write("best")
os.symlink("/opt/ml/processing/out/runs/3/best.txt", "absolute.txt")
os.symlink("runs/3/best.txt", "relative.txt")
os.symlink("/etc/passwd", "elsewhere")
os.symlink("/opt/ml/processing/out/../../config/processingjobconfig.json", "above")
os.symlink("nothing", "nowhere")
os.symlink("circle", "circle")
"""
    name = processing.create(script, ProcessingOutputConfig={"Outputs": [processing.output("out", "links/out")]})
    assert processing.ended(name)["ProcessingJobStatus"] == "Completed"
    assert sorted(account.keys("links/out/")) == ["absolute.txt", "relative.txt", "runs/3/best.txt"]
    assert account.get(f"s3://{account.bucket}/links/out/absolute.txt") == b"best"
