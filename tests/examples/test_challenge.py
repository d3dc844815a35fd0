"""examples/challenge: the entrant's commands, submissions good and bad, and that the private targets stay private."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
import time
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
def organiser(server, data):
    """``organiser(program, *arguments)``: exit code and output of an organiser's program; the challenge is open."""

    def run(program, *arguments):
        selfmaker = [Path(sys.executable).parent / "selfmaker", "run", "--home", server.home, "--"]
        command = [*selfmaker, SDK, CHALLENGE / "organiser" / program, *arguments]
        environment = {**os.environ, "SELFMAKER_HOME": str(server.home), "PYTHONWARNINGS": "ignore"}
        done = subprocess.run(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120
        )
        return done.returncode, done.stdout

    code, said = run("submit.py", "open", "--data", data)
    assert code == 0, said
    return run


@pytest.fixture
def entry(tmp_path):
    """``entry(**changes)``: a folder with the template's files, changed: ``train=(old, new)`` or the whole text."""

    def make(**changes):
        folder = tmp_path / "entry"
        shutil.copytree(CHALLENGE / "template", folder, ignore=shutil.ignore_patterns("data", "local", "__pycache__"))
        for name, change in changes.items():
            path = folder / f"{name}.py"
            if isinstance(change, str):
                path.write_text(change)
            else:
                old, new = change
                assert old in path.read_text()
                path.write_text(path.read_text().replace(old, new, 1))
        return folder

    return make


def rejected(organiser, folder, *options):
    """What the entrant of a bad submission is told."""
    code, said = organiser("submit.py", "run", "--entrant", "bad", "--folder", folder, *options)
    assert code == 1, said
    assert "Traceback" not in said.split("not scored: ")[0], said
    return said.split("not scored: ", 1)[1]


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


def test_a_submission_is_scored_by_the_organisers_copy_and_ranked(organiser, server, data, entry, tmp_path):
    folder = entry(score="raise SystemExit('the entrant has a score of their own')\n")
    code, said = organiser("submit.py", "run", "--entrant", "ada & co", "--folder", folder)
    assert code == 0, said
    result = result_of(server, "ada & co")
    base = f"challenge/submissions/{result['name']}"
    s3 = server.client("s3")
    sys.path.insert(0, str(CHALLENGE / "template"))
    try:
        import score
    finally:
        sys.path.pop(0)
    for side, targets in (("public", "public.csv"), ("private", "private_targets.csv")):
        body = s3.get_object(Bucket=BUCKET, Key=f"{base}/predictions/{side}/preprocessed.csv.out")["Body"].read()
        predictions = list(csv.reader(io.StringIO(body.decode())))
        assert score.score(predictions, rows_of(data / targets)) == result["scores"][side]
    assert f"public score of ada & co: {result['scores']['public']['score']:.4f}" in said
    assert str(result["scores"]["private"]["score"]) not in said
    for final, sides in ((["--final"], ["private", "public"]), ([], ["public"])):
        code, said = organiser("leaderboard.py", "--folder", tmp_path / "board", *final)
        assert code == 0, said
        rows = rows_of(tmp_path / "board" / "leaderboard.csv")
        assert [name for name in rows[0] if name.endswith(" score")] == [f"{side} score" for side in sides]
        [row] = [row for row in rows if row["entrant"] == "ada & co"]
        assert float(row[f"{sides[0]} score"]) == pytest.approx(result["scores"][sides[0]]["score"], abs=1e-4)
        picture = ElementTree.parse(tmp_path / "board" / "leaderboard.svg").getroot()
        assert "ada & co" in [text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")]


def test_a_prying_submission_finds_no_private_target(organiser, server, entry):
    folder = entry(
        preprocess=("def preprocess(", PRY + "\ndef preprocess("),
        train=("def save_model(", "from preprocess import pry\n\ndef save_model("),
    )
    for name, old, new in (
        (
            "preprocess.py",
            "    options = parser.parse_args()",
            "    options = parser.parse_args()\n    pry('preprocess')",
        ),
        ("train.py", "    public = pd.read_csv", '    pry("train")\n    public = pd.read_csv'),
        ("train.py", '    """The model that', '    pry("predict")\n    """The model that'),
    ):
        path = folder / name
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new, 1))
    code, said = organiser("submit.py", "run", "--entrant", "prying", "--folder", folder)
    assert code == 0, said
    name = result_of(server, "prying")["name"]
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


def test_a_submission_that_needs_the_target_is_told_so(organiser, entry):
    folder = entry(preprocess=("inputs = data", "data[TARGETS]\n    inputs = data"))
    told = rejected(organiser, folder)
    assert "preprocess.py failed on the private data" in told
    assert "fails_within_24h" in told
    assert "it must work without the target columns" in told


@pytest.mark.parametrize(
    ("changes", "options", "told"),
    [
        (
            {"train": ("    public = pd", "    import time; time.sleep(600)\n    public = pd")},
            ["--training-seconds", "3"],
            "train.py took longer than the 3 seconds that it may",
        ),
        (
            {"train": ("    public = pd", "    raise ValueError('my own mistake')\n    public = pd")},
            [],
            "my own mistake",
        ),
        (
            {"train": ("    save_model(model, model_dir)\n\n", "    pass\n\n")},
            [],
            "train.py has saved no model: write it into the folder that SM_MODEL_DIR names",
        ),
        (
            {
                "train": (
                    "def save_model(",
                    "def make():\n    class Own:\n        pass\n    Own.__qualname__ = 'Own'\n"
                    "    Own.__module__ = '__main__'\n    import __main__\n    __main__.Own = Own\n"
                    "    return Own()\n\n\n"
                    "def save_model(model, model_dir: str) -> None:\n    keep(make(), model_dir)\n\n\ndef keep(",
                )
            },
            [],
            "model_fn cannot load the model that train.py has saved",
        ),
        (
            {
                "preprocess": (
                    "    preprocess(pd.read_csv(options.input)).to_csv",
                    "    made = preprocess(pd.read_csv(options.input))\n    pd.concat([made] * 20).to_csv",
                )
            },
            ["--preprocessed-bytes", "1000000"],
            "at most 1000000 are allowed",
        ),
        (
            {
                "preprocess": (
                    "preprocess(pd.read_csv(options.input)).to_csv",
                    "preprocess(pd.read_csv(options.input)).head(9).to_csv",
                )
            },
            [],
            "there are 9 predictions for",
        ),
        (
            {"train": ("    text = body", "    import time; time.sleep(900)\n    text = body")},
            ["--prediction-seconds", "6"],
            "took longer than 6 seconds",
        ),
        ({"train": ("    text = body", "    raise KeyError('no such column')\n    text = body")}, [], "no such column"),
    ],
    ids=["over time", "an exception", "no model", "wrong pickle", "huge output", "rows lost", "no answer", "input_fn"],
)
def test_a_bad_submission_ends_in_a_message_to_act_on(organiser, entry, changes, options, told):
    assert told in rejected(organiser, entry(**changes), *options)


def test_files_that_are_no_submission_are_told_at_once_and_together(organiser, entry):
    folder = entry(train=("def input_fn(", "def read_input("))
    (folder / "private_targets.csv").write_text("yes\n")
    (folder / "requirements.txt").unlink()
    (folder / "requirements.txt").symlink_to("/etc/passwd")
    (folder / "preprocess.py").write_text("def preprocess(:\n")
    started = time.monotonic()
    told = rejected(organiser, folder)
    assert "remove private_targets.csv: a submission is train.py, preprocess.py, requirements.txt" in told
    assert "train.py has no function input_fn" in told
    assert "preprocess.py, line 1 is not Python" in told
    assert "requirements.txt is a link" in told
    assert time.monotonic() - started < 60
