"""PyTorch in its own environment: the container's default handlers, TorchScript, and a user's model_fn."""

import io
import json
import struct

import pytest
from tests.serving.worker.conftest import made_by

from selfmaker.serving.worker import transport

pytestmark = pytest.mark.frameworks

IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-inference:2.6.0-cpu-py312"
MODULE = """
import torch
class Sum(torch.nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = torch.nn.Parameter(torch.tensor(float(factor)))
        self.dropout = torch.nn.Dropout(0.5)
    def forward(self, x):
        return self.dropout(x * self.factor).sum(dim=-1, keepdim=True)
"""
TRAIN = f"""
import os, pathlib, torch
pathlib.Path("arithmetic.py").write_text({MODULE!r})  # TorchScript reads the source
from arithmetic import Sum
for folder in ("script", "other", "two", "state"):
    os.makedirs(folder)
torch.jit.script(Sum(2)).save("script/model.pt")
torch.jit.script(Sum(9)).save("script/ignored.pth")
torch.jit.script(Sum(3)).save("other/weights.pth")
torch.jit.script(Sum(3)).save("two/a.pth")
torch.jit.script(Sum(3)).save("two/b.pt")
torch.save(Sum(4).state_dict(), "state/model.pth")
"""
MODEL_FN = """
import os, torch
def model_fn(model_dir):
    factor = torch.load(os.path.join(model_dir, "model.pth"))["factor"]
    layer = torch.nn.Linear(2, 1, bias=False)
    torch.nn.init.constant_(layer.weight, factor.item())
    return torch.nn.Sequential(layer, torch.nn.Dropout(0.5))
"""


@pytest.fixture(scope="module")
def models(environment_of, tmp_path_factory):
    return made_by(environment_of(IMAGE), TRAIN, tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def start(workers, environment_of):
    return workers(environment_of(IMAGE))


@pytest.fixture(scope="module")
def script(start, models):
    return start("pytorch", models / "script")


def npy(rows, kind="<f4"):
    """Rows of numbers in NumPy's file format, written by hand."""
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': ({len(rows)}, {len(rows[0])}), }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    flat = [value for row in rows for value in row]
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + struct.pack(f"<{len(flat)}f", *flat)


def test_torchscript_needs_no_script_and_is_not_training(script):
    assert json.loads(script.text("[[1, 2], [3, 4.5]]", "application/json")) == [[6.0], [15.0]]
    assert json.loads(script.text("1,2\n3,4.5\n", "text/csv", "application/json")) == [[6.0], [15.0]]


def test_npy_in_and_out(script):
    answer = script.ask(npy([[1, 2], [3, 4]]), "application/x-npy", "application/x-npy")
    assert answer.status == 200
    body = io.BytesIO(answer.body)
    assert body.read(6) == b"\x93NUMPY"
    assert struct.unpack("<2f", answer.body[-8:]) == (6.0, 14.0)


def test_csv_out(script):
    assert script.text("[[1, 2], [3, 4.5]]", "application/json", "text/csv").split() == ["6.0", "15.0"]


def test_a_single_pth_file_is_the_model_and_of_two_neither(start, models):
    assert json.loads(start("pytorch", models / "other").text("[[1, 2]]", "application/json")) == [[9.0]]
    two = start("pytorch", models / "two")
    assert two.state == transport.FAILED
    assert "Exactly one .pth or .pt file is required" in two.told


def test_a_program_that_is_not_there_leaves_the_defaults(start, models, tmp_path):
    worker = start("pytorch", models / "other", code=tmp_path)
    assert json.loads(worker.text("[[1, 2]]", "application/json")) == [[9.0]]


def test_any_other_model_needs_a_model_fn(start, models):
    without = start("pytorch", models / "state")
    assert (without.state, "saved using torchscript" in without.told) == (transport.FAILED, True)
    assert json.loads(start("pytorch", models / "state", MODEL_FN).text("[[1, 2]]", "application/json")) == [[12.0]]


def test_formats_that_nobody_reads_or_writes(script):
    assert script.ask("x", "application/x-nobody").status == 415
    assert script.ask("[[1, 2]]", "application/json", "application/x-nobody").status == 406
    assert json.loads(script.text("[[1, 2]]", "application/json")) == [[6.0]]
