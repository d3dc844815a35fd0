"""examples/challenge: the entrant's commands, submissions good and bad, and that the private targets stay private."""

import csv
import importlib.util
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]
CHALLENGE = ROOT / "examples" / "challenge"
SDK = ROOT / ".cache" / "sdk-v2" / "bin" / "python"
BUCKET = "sagemaker-us-east-1-123456789012"

pytestmark = pytest.mark.frameworks

PRY = '''
def pry(who):
    """Look for the private targets in every file and by every way out; say what was found."""
    import os, socket, urllib.parse, urllib.request
    looked = 0
    os.makedirs("/tmp/control", exist_ok=True)
    with open("/tmp/control/targets.csv", "w") as file:  # what shows that the search finds what is there
        file.write("fails_within_24h,\\n")
    for top in ("/", *(f"/proc/{pid}/root" for pid in os.listdir("/proc") if pid.isdigit())):
        for folder, folders, files in os.walk(top):
            folders[:] = [name for name in folders if name not in ("site-packages", "dist-packages")]
            if folder == top:
                folders[:] = [name for name in folders if name not in ("proc", "sys", "dev", "usr", "lib")]
            for name in files:
                path = os.path.join(folder, name)
                if not os.path.isfile(path):
                    continue
                try:
                    with open(path, "rb") as file:
                        start = file.read(200)
                except OSError:
                    continue
                looked += 1
                if start.startswith(b"fails_within_24h,") or b"yes,yes,yes" in start and b"machine" not in start:
                    print(who, "FOUND", path, flush=True)
    place = os.environ.get("AWS_ENDPOINT_URL", "http://127.0.0.1:8080")
    parts = urllib.parse.urlsplit(place)
    for host in (parts.hostname, "127.0.0.1", "localhost", socket.gethostname()):
        try:
            socket.create_connection((host, parts.port or 80), 2).close()
            print(who, "FOUND the server at", host, flush=True)
        except OSError:
            pass
    try:
        import boto3
        print(who, "FOUND", boto3.client("s3", endpoint_url=place).list_buckets(), flush=True)
    except Exception as error:
        print(who, "S3:", type(error).__name__, flush=True)
    print(who, "looked into", looked, "files", flush=True)
'''


TRAIN, PREPARE = "train.py", "preprocess.py"
OWN_CLASS = """def make():
    class Own:
        pass
    Own.__qualname__ = 'Own'
    Own.__module__ = '__main__'
    import __main__
    __main__.Own = Own
    return Own()


def save_model(model, model_dir: str) -> None:
    keep(make(), model_dir)


def keep("""

# Bad submissions: what is changed in the template's files, the organiser's limits, and what the entrant is told.
BAD = {
    "over time": (
        [(TRAIN, "    public = pd", "    import time; time.sleep(600)\n    public = pd")],
        {"training": 3},
        "train.py took longer than the 3 seconds that it may",
    ),
    "no model": (
        [(TRAIN, "    save_model(model, model_dir)\n\n", "    pass\n\n")],
        {},
        "train.py has saved no model: write it into the folder that SM_MODEL_DIR names",
    ),
    "wrong pickle": (
        [(TRAIN, "def save_model(", OWN_CLASS)],
        {},
        "model_fn cannot load the model that train.py has saved",
    ),
    "not alone": (
        [(PREPARE, "import pandas as pd", "import pandas as pd\n\nif __name__ == '__main__':\n    import train")],
        {},
        "No module named 'train', exit code: 1. The job gets preprocess.py alone",
    ),
    "needs the target": (
        [(PREPARE, "inputs = data", "data[TARGETS]\n    inputs = data")],
        {},
        "it must work without the target columns",
    ),
    "huge output": (
        [
            (
                PREPARE,
                "    preprocess(pd.read_csv(options.input)).to_csv",
                "    made = preprocess(pd.read_csv(options.input))\n    pd.concat([made] * 20).to_csv",
            )
        ],
        {"preprocessed": 1_000_000},
        "at most 1000000 are allowed",
    ),
    "rows lost": (
        [
            (
                PREPARE,
                "preprocess(pd.read_csv(options.input)).to_csv",
                "preprocess(pd.read_csv(options.input)).head(9).to_csv",
            )
        ],
        {},
        "there are 9 predictions for",
    ),
    "no answer": (
        [(TRAIN, "    text = body", "    import time; time.sleep(900)\n    text = body")],
        {"prediction": 4},
        "took longer than 4 seconds",
    ),
    "input_fn": (
        [(TRAIN, "    text = body", "    raise KeyError('no such column')\n    text = body")],
        {},
        "no such column",
    ),
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    if not SDK.exists():
        pytest.skip("needs the SDK v2's environment: make setup-sdks")
    folder = tmp_path_factory.mktemp("data")
    size = ["--machines", "5", "--days", "40"]
    subprocess.run([SDK, CHALLENGE / "generate_data.py", *size, "--folder", folder], check=True)
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory, server_process):
    running = server_process(tmp_path_factory.mktemp("challenge") / "home").start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def selfmaker(server):
    """``selfmaker(*command)``: the command line by which the organiser runs a program of the SDK v2."""

    def command(*program):
        return [Path(sys.executable).parent / "selfmaker", "run", "--home", server.home, "--", SDK, *program]

    return command


@pytest.fixture(scope="module")
def organiser(server, selfmaker, data):
    """``organiser(program, *arguments)``: exit code and output of an organiser's program; the challenge is open."""

    def run(program, *arguments):
        command = selfmaker(CHALLENGE / "organiser" / program, *arguments)
        done = subprocess.run(
            command, env=variables(server), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300
        )
        return done.returncode, done.stdout

    code, said = run("submit.py", "open", "--data", data)
    assert code == 0, said
    return run


@pytest.fixture(scope="module")
def entry(tmp_path_factory):
    """``entry(*changes)``: a folder with the template's files; a change is a file, what is there, and what takes its
    place."""

    def make(*changes):
        folder = tmp_path_factory.mktemp("entries") / "entry"
        shutil.copytree(CHALLENGE / "template", folder, ignore=shutil.ignore_patterns("data", "local", "__pycache__"))
        for name, old, new in changes:
            path = folder / name
            assert old in path.read_text()
            path.write_text(path.read_text().replace(old, new, 1))
        return folder

    return make


@pytest.fixture(scope="module")
def at_work(organiser, server, selfmaker, entry, tmp_path_factory):
    """The process in which all bad submissions run; it works while the good one does."""
    lines = [
        json.dumps({"name": name, "folder": str(entry(*changes)), "limits": limits})
        for name, (changes, limits, _) in BAD.items()
    ]
    output = tmp_path_factory.mktemp("rejections") / "output"
    given = output.with_name("input")
    given.write_text("\n".join(lines))
    command = selfmaker(Path(__file__).parent / "submissions.py", CHALLENGE / "organiser")
    with output.open("w") as told, given.open() as file:
        process = subprocess.Popen(command, env=variables(server), stdin=file, stdout=told, stderr=subprocess.STDOUT)
    yield process, output
    process.kill()
    process.wait()


@pytest.fixture(scope="module")
def rejections(at_work):
    """What the entrant of each bad submission is told."""
    process, output = at_work
    assert process.wait(600) == 0, output.read_text()
    return json.loads(output.read_text().splitlines()[-1])


@pytest.fixture(scope="module")
def scored(organiser, server, entry, at_work):
    """What is said of a good submission that looks for the private targets wherever it runs, and its result."""
    folder = entry(
        ("preprocess.py", "def preprocess(", PRY + "\ndef preprocess("),
        (
            "preprocess.py",
            "    options = parser.parse_args()",
            "    options = parser.parse_args()\n    pry('preprocess')",
        ),
        ("train.py", "def save_model(", "from preprocess import pry\n\ndef save_model("),
        ("train.py", "    public = pd.read_csv", '    pry("train")\n    public = pd.read_csv'),
        ("train.py", '    """The model that', '    pry("predict")\n    """The model that'),
    )
    (folder / "score.py").write_text("raise SystemExit('the entrant has a score of their own')\n")
    code, said = organiser("submit.py", "run", "--entrant", "ada & co", "--folder", folder)
    assert code == 0, said
    return said, result_of(server, "ada & co")


def variables(server):
    return {**os.environ, "SELFMAKER_HOME": str(server.home), "PYTHONWARNINGS": "ignore"}


def module(folder, name):
    """A file of the example that needs no SDK."""
    spec = importlib.util.spec_from_file_location(name, CHALLENGE / folder / f"{name}.py")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def rows_of(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def result_of(server, entrant):
    s3 = server.client("s3")
    listed = s3.list_objects_v2(Bucket=BUCKET, Prefix="challenge/submissions/")["Contents"]
    keys = [item["Key"] for item in listed if item["Key"].endswith("/result.json")]
    found = [json.loads(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()) for key in keys]
    [result] = [result for result in found if result["entrant"] == entrant]
    return result


def log_of(server, group, prefix):
    logs = server.client("logs")
    streams = logs.describe_log_streams(logGroupName=f"/aws/sagemaker/{group}", logStreamNamePrefix=prefix)[
        "logStreams"
    ]
    lines = []
    for stream in streams:
        page = logs.get_log_events(
            logGroupName=f"/aws/sagemaker/{group}", logStreamName=stream["logStreamName"], startFromHead=True
        )
        lines += [event["message"] for event in page["events"]]
    return "\n".join(lines)


def test_the_entrants_commands_run_at_home(data, entry):
    folder = entry()
    (folder / "data").mkdir()
    shutil.copy(data / "public.csv", folder / "data")
    subprocess.run([SDK, "challenge.py", "all"], cwd=folder, check=True)
    scored = json.loads((folder / "local" / "score.json").read_text())
    assert scored["rows"] == len(rows_of(data / "public.csv"))
    assert 0.5 < scored["score"] <= 1
    prepare = folder / "preprocess.py"
    prepare.write_text(prepare.read_text().replace("inputs = data", "data['fails_within_24h']\n    inputs = data", 1))
    done = subprocess.run([SDK, "challenge.py", "preprocess"], cwd=folder, capture_output=True, text=True)
    assert done.returncode != 0
    assert "fails_within_24h" in done.stderr
    assert "without the targets" in done.stdout


def test_the_private_rows_come_after_the_public_ones_and_tell_no_targets(data):
    public = rows_of(data / "public.csv")
    private = rows_of(data / "private_inputs.csv")
    targets = rows_of(data / "private_targets.csv")
    assert max(row["timestamp"] for row in public) < min(row["timestamp"] for row in private)
    assert len(private) == len(targets)
    assert not any(name.startswith("fails_within") for name in private[0])
    assert {row["fails_within_72h"] for row in targets} == {"yes", "no"}


def test_a_submission_is_scored_by_the_organisers_copy_and_ranked(organiser, server, data, scored, tmp_path):
    said, result = scored
    base = f"challenge/submissions/{result['name']}"
    s3 = server.client("s3")
    score = module("template", "score")
    for side, targets in (("public", "public.csv"), ("private", "private_targets.csv")):
        body = s3.get_object(Bucket=BUCKET, Key=f"{base}/predictions/{side}/preprocessed.csv.out")["Body"].read()
        predictions = list(csv.reader(io.StringIO(body.decode())))
        assert score.score(predictions, rows_of(data / targets)) == result["scores"][side]
    assert f"public score of ada & co: {result['scores']['public']['score']:.4f}" in said
    assert str(result["scores"]["private"]["score"]) not in said
    code, said = organiser("leaderboard.py", "--folder", tmp_path, "--final")
    assert code == 0, said
    assert said.endswith((tmp_path / "leaderboard.md").read_text())
    check_board(tmp_path, result, ["private score", "public score"])
    module("organiser", "leaderboard").write([result], tmp_path, final=False)
    check_board(tmp_path, result, ["public score"])


def check_board(folder, result, shown):
    """The table and the picture have the entrant of ``result`` in the first place, with these scores and no others."""
    row, *_ = rows_of(folder / "leaderboard.csv")
    assert row["entrant"] == "ada & co"
    assert [name for name in row if name.endswith(" score")] == shown
    scores = [f"{result['scores'][name.split()[0]]['score']:.4f}" for name in shown]
    assert [row[name] for name in shown] == scores
    picture = ElementTree.parse(folder / "leaderboard.svg").getroot()
    texts = [text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == [*shown, "1. ada & co", *scores]


def test_a_prying_submission_finds_no_private_target(server, scored):
    name = scored[1]["name"]
    for group, part, who in (
        ("TrainingJobs", "train", "train"),
        ("ProcessingJobs", "preprocess-priv", "preprocess"),
        ("ProcessingJobs", "preprocess-publ", "preprocess"),
        ("TransformJobs", "predict-priv", "predict"),
    ):
        text = log_of(server, group, f"{name}-{part}")
        assert f"{who} looked into " in text, text
        assert int(text.split(f"{who} looked into ")[1].split()[0]) > 20
        found = [line for line in text.splitlines() if "FOUND" in line]
        assert found
        assert all(line.endswith("/tmp/control/targets.csv") for line in found), found


@pytest.mark.parametrize("name", BAD)
def test_a_bad_submission_ends_in_a_message_to_act_on(rejections, name):
    assert BAD[name][2] in rejections[name]


def test_of_a_rejected_submission_the_message_is_kept_and_no_job_is_left(rejections, server):
    for name in BAD:
        assert result_of(server, name)["rejected"] == rejections[name]
    sagemaker = server.client("sagemaker")
    for listed, member in (
        (sagemaker.list_training_jobs, "TrainingJobSummaries"),
        (sagemaker.list_processing_jobs, "ProcessingJobSummaries"),
        (sagemaker.list_transform_jobs, "TransformJobSummaries"),
    ):
        assert listed(StatusEquals="InProgress")[member] == []
    assert sagemaker.list_models()["Models"] == []


def test_files_that_are_no_submission_are_told_at_once_and_together(organiser, server, entry):
    folder = entry((TRAIN, "def input_fn(", "def read_input("))
    (folder / "private_targets.csv").write_text("yes\n")
    (folder / "requirements.txt").unlink()
    (folder / "requirements.txt").symlink_to("/etc/passwd")
    (folder / PREPARE).write_text("def preprocess(:\n")
    code, said = organiser("submit.py", "run", "--entrant", "nothing", "--folder", folder)
    assert code == 1
    assert "Traceback" not in said
    told = said.split("not scored: ", 1)[1]
    assert "remove private_targets.csv: a submission is train.py, preprocess.py, requirements.txt" in told
    assert "train.py has no function input_fn" in told
    assert "preprocess.py, line 1 is not Python" in told
    assert "requirements.txt is a link" in told
    assert server.client("sagemaker").list_training_jobs(NameContains="nothing")["TrainingJobSummaries"] == []
