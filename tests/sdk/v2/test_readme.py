"""The script in the README runs as it stands there."""

import re
from pathlib import Path

import boto3

README = Path(__file__).parents[3] / "README.md"

TRAIN = """
import argparse, os, pathlib
import joblib, numpy
from sklearn.linear_model import LogisticRegression

def model_fn(folder):
    return joblib.load(os.path.join(folder, "model.joblib"))

if __name__ == "__main__":
    rows = numpy.loadtxt(pathlib.Path(os.environ["SM_CHANNEL_TRAIN"]) / "iris.csv", delimiter=",")
    model = LogisticRegression(max_iter=1000).fit(rows[:, 1:], rows[:, 0])
    joblib.dump(model, os.path.join(os.environ["SM_MODEL_DIR"], "model.joblib"))
"""


def test_the_script_of_the_readme(tmp_path, monkeypatch, capsys):
    (script,) = re.findall(r"```python\n(import sagemaker\n.*?)```", README.read_text(), re.DOTALL)
    rows = ["0,5.1,3.5,1.4,0.2", "0,4.9,3.0,1.4,0.2", "1,7.0,3.2,4.7,1.4", "1,6.4,3.2,4.5,1.5"]
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="my-bucket")
    s3.put_object(Bucket="my-bucket", Key="train/iris.csv", Body="\n".join(rows).encode())
    (tmp_path / "train.py").write_text(TRAIN)
    monkeypatch.chdir(tmp_path)
    exec(compile(script, "README.md", "exec"), {"__name__": "__main__"})
    assert "[0.]" in capsys.readouterr().out
