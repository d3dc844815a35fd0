"""The reader for large bodies agrees with the plain one, or leaves the body to it; in an image's own environment."""

import json
import os
import subprocess
from pathlib import Path

import pytest

import selfmaker.serving.worker
from selfmaker.runtimes.environments import Environments

pytestmark = pytest.mark.frameworks

ROOT = Path(__file__).resolve().parents[3]
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:{}-cpu-py3"
PROGRAM = """
import json, sys
sys.path.insert(0, sys.argv[1])
from worker import arrow_csv
print(json.dumps([None if rows is None else rows.tolist() for rows in map(arrow_csv.rows, json.load(sys.stdin))]))
"""


READER = """
import json, sys
sys.path.insert(0, sys.argv[1])
from worker import arrow_csv
reader = arrow_csv.Reader()
texts = json.load(sys.stdin)
print(json.dumps([[reader.rows(text) is not None, "pyarrow" in sys.modules] for text in texts]))
"""


@pytest.fixture(scope="module", params=["1.4-2", "0.23-1"])  # the latter with PyArrow 0.16
def run(request):
    folder = Path(os.environ.get("SELFMAKER_ENVIRONMENTS") or ROOT / ".cache" / "environments")
    python = Environments(folder).for_image(IMAGE.format(request.param), None, print)[1].python
    source = Path(selfmaker.serving.worker.__file__).parent.parent

    def run(program, *texts):
        command = [python, "-c", program, str(source)]
        done = subprocess.run(command, input=json.dumps(texts), capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    return run


@pytest.fixture(scope="module")
def read(run):
    return lambda *texts: run(PROGRAM, *texts)


def test_it_is_left_until_there_was_enough_to_read(run):
    body, small, wide = "1.25,2.5\n" * 10_000, "1,2\n" * 100, ",".join(["1.5"] * 10_000)
    assert run(READER, small, body, wide, body) == [[False, False]] * 4
    assert run(READER, body, body, body, small, wide, body) == [
        [False, False], [False, False], [True, True], [False, True], [False, True], [True, True],
    ]  # fmt: skip


def test_numbers_are_read_exactly_and_other_bodies_are_left(read):
    numbers = [[(n * 7919 % 1000) / 7 * 10.0 ** (n % 13 - 6), -n / 3, n * 1e20] for n in range(1, 400)]
    text = "\n".join(",".join(map(repr, row)) for row in numbers)
    assert read(text) == [numbers]
    assert read("1,2\n\n3,4\n", "1e5,.5\n+1,2.") == [[[1.0, 2.0], [3.0, 4.0]], [[1e5, 0.5], [1.0, 2.0]]]
    assert read("1,2\n3", "1,\n3,4", "1-2,3\n4,5", "") == [None, None, None, None]
