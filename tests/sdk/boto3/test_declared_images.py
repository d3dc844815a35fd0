"""Images of the user's own, declared by a folder: training, processing, endpoints and batch transform."""

import json
import time

import pytest

TRAIN = """#!/usr/bin/env python3
import json, os, pathlib, sys
import helper
given = json.loads(pathlib.Path("/opt/ml/input/config/hyperparameters.json").read_text())
if given.get("fail"):
    pathlib.Path("/opt/ml/output/failure").write_text("as told")
    sys.exit(3)
rows = pathlib.Path("/opt/ml/input/data/train/rows.csv").read_text()
print("trained in", os.getcwd(), "by", helper.WHO, "with", os.environ["IMAGE_SAYS"])
pathlib.Path("/opt/ml/model/model.json").write_text(json.dumps({"rows": len(rows.splitlines()), **given}))
"""

SERVE = """#!/usr/bin/env python3
import http.server, json, os, pathlib, socket, sys
MODEL = json.loads(pathlib.Path("/opt/ml/model/model.json").read_text())

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        parameters = {"MaxConcurrentTransforms": 1, "MaxPayloadInMB": 2, "BatchStrategy": "SINGLE_RECORD"}
        self.answer(200, json.dumps(parameters).encode() if self.path == "/execution-parameters" else b"")
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if body == "die":
            os._exit(9)
        told = [self.path, body, self.headers["Content-Type"], self.headers["Accept"], MODEL, os.environ["IMAGE_SAYS"]]
        told += [self.headers["X-Amzn-SageMaker-Custom-Attributes"], os.environ["SAGEMAKER_BIND_TO_PORT"]]
        self.answer(418 if body == "teapot" else 200, json.dumps(told).encode())
    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("X-Amzn-SageMaker-Custom-Attributes", "from-serve")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

http.server.ThreadingHTTPServer(("0.0.0.0", 8080), Handler).serve_forever()
"""

DECLARATION = """
name = "mine:1"
python = "3.11"
programs = "program"
directory = "/opt/mine"
[environment]
IMAGE_SAYS = "hello"
"""

URI = "123456789012.dkr.ecr.us-east-1.amazonaws.com/mine:1"


def write(folder, declaration=DECLARATION, **files):
    (folder / "program").mkdir(parents=True, exist_ok=True)
    (folder / "image.toml").write_text(declaration)
    for name, text in {"train": TRAIN, "serve": SERVE, "helper.py": "WHO = 'helper'", **files}.items():
        (folder / "program" / name).write_text(text)
    return folder


def add(server, folder):
    done = server.selfmaker("images", "add", str(folder))
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def declared(account, tmp_path_factory):
    said = add(account.server, write(tmp_path_factory.mktemp("image")))
    assert URI in said
    return account


@pytest.fixture(scope="module")
def trained(declared):
    uri = declared.put("declared/rows.csv", "1\n2\n3\n")
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}}
    return declared.succeed(
        AlgorithmSpecification={"TrainingImage": URI, "TrainingInputMode": "File"},
        InputDataConfig=[{"ChannelName": "train", "DataSource": source}],
        HyperParameters={"depth": "3"},
    )


def test_nothing_stands_for_it_before(account, tmp_path):
    name = "undeclared/image:2"
    with pytest.raises(account.sagemaker.exceptions.ClientError, match="selfmaker images add"):
        account.create(AlgorithmSpecification={"TrainingImage": name, "TrainingInputMode": "File"})
    said = add(account.server, write(tmp_path, DECLARATION.replace("mine:1", name)))
    assert f"declared {name}" in said
    assert name in account.server.selfmaker("images").stdout
    assert account.server.selfmaker("images", "remove", name).returncode == 0
    assert name not in account.server.selfmaker("images").stdout
    again = account.server.selfmaker("images", "remove", name)
    assert again.returncode == 1 and "no image is declared" in again.stderr


@pytest.mark.parametrize(
    ("declaration", "words"),
    [
        ("", "name is missing"),
        ("name = 'x'", "python is missing"),
        ("name = 'sagemaker-xgboost:1.7-1'\npython = '3.11'", "framework's image already"),
        ("name = 'x'\npython = 3.11", "python has a value of the wrong type"),
        ("name = 'x'\npython = '3.11'\nrequirement = []", "no member requirement"),
        ("name = 'x'\npython = '3.11'\nprograms = '../..'", "not in the folder"),
        ("name = 'x'\npython = '3.11'\nprograms = 'none'", "no folder"),
        ("name = 'x'\npython = '3.11'\ndirectory = 'opt'", "absolute"),
        ("name = 'x'\npython = '3.11'\nrequirements = 'none.txt'", "cannot be read"),
        ("name =", "not TOML"),
    ],
)
def test_a_declaration_that_is_wrong_is_refused_by_member(account, tmp_path, declaration, words):
    done = account.server.selfmaker("images", "add", str(write(tmp_path, declaration)))
    assert done.returncode == 1 and words in done.stderr and done.stderr.count("\n") == 1
    assert " x:" not in account.server.selfmaker("images").stdout


@pytest.mark.frameworks
def test_train_runs_where_the_image_has_it(declared, trained):
    model = json.loads(declared.artifact(trained)["model.json"])
    assert model == {"rows": 3, "depth": "3"}
    assert "trained in /opt/mine by helper with hello" in declared.log_text(trained["TrainingJobName"])


@pytest.mark.frameworks
def test_a_failure_is_the_job_s(declared):
    described = declared.train(
        AlgorithmSpecification={"TrainingImage": URI, "TrainingInputMode": "File"}, HyperParameters={"fail": "1"}
    )
    assert (described["TrainingJobStatus"], "as told" in described["FailureReason"]) == ("Failed", True)


@pytest.mark.frameworks
def test_processing_finds_the_programs(declared):
    name = declared.unique("processing")
    declared.sagemaker.create_processing_job(
        ProcessingJobName=name,
        RoleArn=declared.role,
        AppSpecification={
            "ImageUri": URI,
            "ContainerEntrypoint": ["python3", "-c", "import helper, os; print(helper.WHO, os.environ['IMAGE_SAYS'])"],
        },
        ProcessingResources={"ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}},
        Environment={"PYTHONPATH": "/opt/mine"},
    )
    waiter = declared.sagemaker.get_waiter("processing_job_completed_or_stopped")
    waiter.wait(ProcessingJobName=name, WaiterConfig={"Delay": 1})
    assert "helper hello" in "\n".join(declared.log(name, "/aws/sagemaker/ProcessingJobs"))


@pytest.fixture(scope="module")
def model(declared, trained):
    name = declared.unique("model")
    container = {"Image": URI, "ModelDataUrl": trained["ModelArtifacts"]["S3ModelArtifacts"]}
    declared.sagemaker.create_model(ModelName=name, ExecutionRoleArn=declared.role, PrimaryContainer=container)
    return name


@pytest.mark.frameworks
def test_serve_answers_at_an_endpoint(declared, model):
    """Each worker has port 8080 to itself: a second endpoint on it does not disturb the first."""
    endpoints = [declared.deploy(model), declared.deploy(model)]
    for endpoint in endpoints:
        answer = declared.runtime.invoke_endpoint(
            EndpointName=endpoint, Body="a,b", ContentType="text/csv", Accept="x/y", CustomAttributes="told"
        )
        told = json.loads(answer["Body"].read())
        assert told == ["/invocations", "a,b", "text/csv", "x/y", {"rows": 3, "depth": "3"}, "hello", "told", "8080"]
        assert (answer["ContentType"], answer["CustomAttributes"]) == ("application/json", "from-serve")
    with pytest.raises(declared.runtime.exceptions.ModelError) as caught:
        declared.invoke(endpoints[0], "teapot")
    assert caught.value.response["OriginalStatusCode"] == 418
    with pytest.raises(declared.runtime.exceptions.ClientError):
        declared.invoke(endpoints[0], "die")
    for _ in range(20):  # another worker takes the place of the one whose program died
        assert json.loads(declared.invoke(endpoints[0], "x"))[1] == "x"
    for endpoint in endpoints:
        declared.sagemaker.delete_endpoint(EndpointName=endpoint)


@pytest.mark.frameworks
def test_a_program_that_may_reach_others_is_told_its_port(account, trained, tmp_path):
    serve = SERVE.replace('("0.0.0.0", 8080)', '("0.0.0.0", int(os.environ["SAGEMAKER_BIND_TO_PORT"]))')
    declaration = DECLARATION.replace("mine:1", "reaching").replace("directory", "network = true\ndirectory")
    add(account.server, write(tmp_path, declaration, serve=serve))
    name = account.unique("model")
    container = {"Image": "reaching", "ModelDataUrl": trained["ModelArtifacts"]["S3ModelArtifacts"]}
    account.sagemaker.create_model(ModelName=name, ExecutionRoleArn=account.role, PrimaryContainer=container)
    endpoints = [account.deploy(name), account.deploy(name)]
    ports = {json.loads(account.invoke(endpoint, "x"))[-1] for endpoint in endpoints}
    assert len(ports) == 2
    for endpoint in endpoints:
        account.sagemaker.delete_endpoint(EndpointName=endpoint)


@pytest.mark.frameworks
def test_an_endpoint_without_a_program_that_serves_fails_with_the_reason(account, trained, tmp_path):
    folder = write(tmp_path, DECLARATION.replace("mine:1", "mute"))
    (folder / "program" / "serve").unlink()
    add(account.server, folder)
    name, endpoint = account.unique("model"), account.unique("endpoint")
    container = {"Image": "mute", "ModelDataUrl": trained["ModelArtifacts"]["S3ModelArtifacts"]}
    account.sagemaker.create_model(ModelName=name, ExecutionRoleArn=account.role, PrimaryContainer=container)
    account.sagemaker.create_endpoint(EndpointName=endpoint, EndpointConfigName=account.config(name))
    described = account.settled(endpoint)
    assert described["EndpointStatus"] == "Failed" and "no program serve" in described["FailureReason"]
    account.sagemaker.delete_endpoint(EndpointName=endpoint)


@pytest.mark.frameworks
def test_what_a_program_lacks_that_does_not_come_up_is_in_the_log(account, tmp_path):
    serve = SERVE.replace('json.loads(pathlib.Path("/opt/ml/model/model.json").read_text())', "{}")
    serve = serve.replace("self.answer(200, json.dumps(parameters)", "self.answer(503, json.dumps(parameters)")
    add(account.server, write(tmp_path, DECLARATION.replace("mine:1", "never"), serve=serve))
    name, endpoint = account.unique("model"), account.unique("endpoint")
    account.sagemaker.create_model(ModelName=name, ExecutionRoleArn=account.role, PrimaryContainer={"Image": "never"})
    account.sagemaker.create_endpoint(EndpointName=endpoint, EndpointConfigName=account.config(name))
    group, said = f"/aws/sagemaker/Endpoints/{endpoint}", ""
    deadline = time.monotonic() + 60
    while "GET /ping answers with status 503" not in said and time.monotonic() < deadline:
        time.sleep(0.2)
        for stream in streams(account, group):
            said += "\n".join(event["message"] for event in account.events(group, stream))
    assert "the image's program serve is waited for: GET /ping answers with status 503" in said


def streams(account, group):
    """The names of a group's streams, if there are some."""
    try:
        return [one["logStreamName"] for one in account.logs.describe_log_streams(logGroupName=group)["logStreams"]]
    except account.logs.exceptions.ResourceNotFoundException:
        return []


@pytest.mark.frameworks
def test_batch_transform_sends_to_serve(declared, model):
    name = declared.unique("transform")
    uri = declared.put(f"{name}/in/rows.csv", "1,2\n3,4\n")
    declared.sagemaker.create_transform_job(
        TransformJobName=name,
        ModelName=model,
        TransformInput={
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}},
            "ContentType": "text/csv",
        },
        TransformOutput={"S3OutputPath": f"s3://{declared.bucket}/{name}/out"},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
    )
    waiter = declared.sagemaker.get_waiter("transform_job_completed_or_stopped")
    waiter.wait(TransformJobName=name, WaiterConfig={"Delay": 1})
    answer = json.loads(declared.get(f"s3://{declared.bucket}/{name}/out/rows.csv.out"))
    assert answer[:3] == ["/invocations", "1,2\n3,4\n", "text/csv"]
    said = "\n".join(declared.log(name, "/aws/sagemaker/TransformJobs"))
    assert "MaxConcurrentTransforms=1, MaxPayloadInMB=2, BatchStrategy=SINGLE_RECORD" in said


CLASSIC = {
    "serve": """#!/usr/bin/env python
import os, signal, subprocess, sys

def stop(*pids):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGQUIT)
        except OSError:
            pass
    sys.exit(0)

subprocess.check_call(["ln", "-sf", "/dev/stdout", "/var/log/nginx/access.log"])
subprocess.check_call(["ln", "-sf", "/dev/stderr", "/var/log/nginx/error.log"])
front = subprocess.Popen(["nginx", "-c", "/opt/mine/nginx.conf"])
back = subprocess.Popen(["gunicorn", "--timeout", "60", "-b", "unix:/tmp/gunicorn.sock", "-w", "1", "wsgi:app"])
signal.signal(signal.SIGTERM, lambda number, frame: stop(front.pid, back.pid))
while os.wait()[0] not in (front.pid, back.pid):
    pass
stop(front.pid, back.pid)
""",
    "nginx.conf": """
worker_processes 1;
daemon off; # not in the background
pid /tmp/nginx.pid;
error_log /var/log/nginx/error.log;
events { }
http {
  access_log /var/log/nginx/access.log combined;
  upstream gunicorn { server unix:/tmp/gunicorn.sock; }
  server {
    listen 8080 deferred;
    client_max_body_size 5m;
    location ~ ^/(ping|invocations) { proxy_set_header Host $http_host; proxy_pass http://gunicorn; }
    location / { return 404 "{}"; }
  }
}
""",
    "wsgi.py": "from predictor import app\n",
    "predictor.py": """
import flask, json, pathlib
app = flask.Flask(__name__)

@app.route("/ping", methods=["GET"])
def ping():
    return flask.Response(response="\\n", status=200, mimetype="application/json")

@app.route("/invocations", methods=["POST"])
def invocations():
    model = json.loads(pathlib.Path("/opt/ml/model/model.json").read_text())
    rows = flask.request.data.decode().splitlines()
    return flask.Response(response="\\n".join(str(len(row) * model["rows"]) for row in rows), mimetype="text/csv")
""",
}


@pytest.mark.frameworks
def test_serve_with_nginx_before_gunicorn_runs_unmodified(account, trained, tmp_path):
    """As SageMaker's own examples of containers have it; no nginx is needed on the machine."""
    requirements = 'requirements = ["flask", "gunicorn"]\nprograms'
    declaration = DECLARATION.replace("mine:1", "classic").replace("programs", requirements)
    add(account.server, write(tmp_path, declaration, **CLASSIC))
    name = account.unique("model")
    container = {"Image": "classic", "ModelDataUrl": trained["ModelArtifacts"]["S3ModelArtifacts"]}
    account.sagemaker.create_model(ModelName=name, ExecutionRoleArn=account.role, PrimaryContainer=container)
    endpoint = account.deploy(name)
    for _ in range(5):
        assert account.invoke(endpoint, "ab\nabc") == b"6\n9"
    assert account.invoke(endpoint, "\n".join(["x" * 99] * 10_000)).count(b"297") == 10_000
    account.sagemaker.delete_endpoint(EndpointName=endpoint)


@pytest.mark.frameworks
def test_an_entry_point_gets_train_and_serve_as_its_argument(account, tmp_path):
    main = "import runpy, sys\nrunpy.run_path(sys.argv[1] + '_it.py', run_name='__main__')\n"
    declaration = DECLARATION.replace("mine:1", "entered").replace(
        "programs", 'entrypoint = ["python", "main.py"]\nprograms'
    )
    folder = write(tmp_path, declaration, **{"main.py": main, "train_it.py": TRAIN, "serve_it.py": SERVE})
    for name in ("train", "serve"):
        (folder / "program" / name).unlink()
    add(account.server, folder)
    uri = account.put("entered/rows.csv", "1\n")
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}}
    job = account.succeed(
        AlgorithmSpecification={"TrainingImage": "entered", "TrainingInputMode": "File"},
        InputDataConfig=[{"ChannelName": "train", "DataSource": source}],
    )
    name = account.unique("model")
    container = {"Image": "entered", "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"]}
    account.sagemaker.create_model(ModelName=name, ExecutionRoleArn=account.role, PrimaryContainer=container)
    endpoint = account.deploy(name)
    assert json.loads(account.invoke(endpoint, "x"))[4] == {"rows": 1}
    account.sagemaker.delete_endpoint(EndpointName=endpoint)


@pytest.mark.frameworks
def test_an_image_without_programs_runs_what_its_packages_bring(account, tmp_path):
    """Or what the job names; with neither, the reason is told."""
    folder = tmp_path / "bare"
    folder.mkdir()
    (folder / "image.toml").write_text('name = "bare"\npython = "3.11"\n')
    add(account.server, folder)
    specification = {"TrainingImage": "bare", "TrainingInputMode": "File"}
    described = account.train(AlgorithmSpecification=specification)
    assert "no algorithm of its own" in described["FailureReason"]
    account.succeed(AlgorithmSpecification={**specification, "ContainerEntrypoint": ["python3", "-c", "print(1)"]})


@pytest.mark.frameworks
def test_processing_without_an_entry_point_runs_the_image_s_own(account, tmp_path):
    """As `docker run IMAGE ARGUMENTS` does, also where the image has its programs in /opt/ml/code."""
    main = "import os, sys\nprint('main', sys.argv[1:], os.getcwd(), os.environ['IMAGE_SAYS'])\n"
    declaration = DECLARATION.replace("mine:1", "processor").replace("/opt/mine", "/opt/ml/code")
    entered = declaration.replace("programs", 'entrypoint = ["python3", "main.py"]\nprograms')
    add(account.server, write(tmp_path, entered, **{"main.py": main}))
    name = account.unique("processing")
    account.sagemaker.create_processing_job(
        ProcessingJobName=name,
        RoleArn=account.role,
        AppSpecification={"ImageUri": "processor", "ContainerArguments": ["--one", "two"]},
        ProcessingResources={"ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}},
    )
    waiter = account.sagemaker.get_waiter("processing_job_completed_or_stopped")
    waiter.wait(ProcessingJobName=name, WaiterConfig={"Delay": 1})
    said = account.log(name, "/aws/sagemaker/ProcessingJobs")
    assert "main ['--one', 'two'] /opt/ml/code hello" in said


FRAMEWORK = """
import os
from sagemaker_training import entry_point, environment

def main():
    env = environment.Environment()
    print("framework starts", env.user_entry_point)
    entry_point.run(env.module_dir, env.user_entry_point, env.to_cmd_args(), env.to_env_vars())
"""


@pytest.mark.frameworks
def test_a_framework_module_of_the_image_starts_the_script(account, tmp_path):
    """AWS's example of a framework container: the image's toolkit loads SAGEMAKER_TRAINING_MODULE, which runs the
    script. PYTHONPATH is the image's."""
    toolkit = "#!/usr/bin/env python3\nimport my_framework\nmy_framework.main()\n"  # what its `train` comes to
    variables = 'SAGEMAKER_TRAINING_MODULE = "my_framework:main"\nPYTHONPATH = "/opt/mine/lib"\n'
    declaration = DECLARATION.replace("mine:1", "framework").replace("programs", 'requirements = ["boto3"]\nprograms')
    folder = write(tmp_path, f"{declaration}{variables}", train=toolkit)
    (folder / "program" / "lib").mkdir()
    (folder / "program" / "lib" / "my_framework.py").write_text(FRAMEWORK)
    add(account.server, folder)
    job = account.succeed(
        {"script.py": "import sys\nprint('script', sys.argv[1:])"},
        AlgorithmSpecification={"TrainingImage": "framework", "TrainingInputMode": "File"},
        HyperParameters={"epochs": "3"},
    )
    said = account.log(job["TrainingJobName"])
    assert "framework starts script.py" in said and "script ['--epochs', '3']" in said


@pytest.mark.frameworks
def test_an_image_with_the_training_toolkit_runs_the_script_that_its_variable_names(account, tmp_path):
    """AWS's own recipe: `pip install sagemaker-training`, the script in /opt/ml/code, ENV SAGEMAKER_PROGRAM."""
    script = "import helper, os, sys\nprint('script', sys.argv[1:], helper.WHO, os.environ['SM_MODEL_DIR'])\n"
    declaration = DECLARATION.replace("mine:1", "toolkit").replace("/opt/mine", "/opt/ml/code")
    folder = write(tmp_path, f'{declaration}SAGEMAKER_PROGRAM = "my_train.py"\n', **{"my_train.py": script})
    for name in ("train", "serve"):
        (folder / "program" / name).unlink()
    add(account.server, folder)
    image = {"TrainingImage": "toolkit", "TrainingInputMode": "File"}
    job = account.succeed(AlgorithmSpecification=image, HyperParameters={"epochs": "3"})
    assert "script ['--epochs', '3'] helper /opt/ml/model" in account.log(job["TrainingJobName"])
    other = account.succeed(
        {"other.py": "import helper\nprint('other', helper.WHO)"},
        AlgorithmSpecification=image,
        HyperParameters={},
        Environment={"SAGEMAKER_PROGRAM": "other.py"},
    )
    assert "other helper" in account.log(other["TrainingJobName"])
