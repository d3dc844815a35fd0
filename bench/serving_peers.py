"""The peers of our endpoints: each is one HTTP server with two workers, written as its users write it.

A peer is its requirements on top of the image's environment, its files, and its command. All serve the same XGBoost
model: they read the CSV with pandas and predict through a DMatrix, as their users do; the container stack reads it with
its own toolkit. OMP_NUM_THREADS is 1 for all: left to themselves they are slower.
"""

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from selfmaker.runtimes.environments import Environments

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
NEWER = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.0-5"

LOAD = """
import io
import pandas, xgboost
model = xgboost.Booster()
model.load_model("model.json")
def predict(text):
    rows = pandas.read_csv(io.StringIO(text), header=None)
    rows.columns = [str(name) for name in rows.columns]
    return model.predict(xgboost.DMatrix(rows), validate_features=False)
"""
FASTAPI = """
import fastapi
from model import predict
app = fastapi.FastAPI()

@app.post("/invocations")
async def invocations(request: fastapi.Request):
    text = (await request.body()).decode()
    return fastapi.Response("\\n".join(map(str, predict(text).tolist())), media_type="text/csv")
"""
LITSERVE = """
import litserve

class Api(litserve.LitAPI):
    def setup(self, device):
        from model import predict
        self.model = predict
    def decode_request(self, request):
        return request["text"]
    def predict(self, text):
        return self.model(text)
    def encode_response(self, output):
        return {"predictions": output.tolist()}

if __name__ == "__main__":
    server = litserve.LitServer(Api(api_path="/invocations"), accelerator="cpu", workers_per_device=2)
    server.run(host="127.0.0.1", port=PORT, generate_client_file=False, log_level="warning")
"""
BENTOML = """
from __future__ import annotations
import bentoml

@bentoml.service(workers=2)
class Model:
    def __init__(self) -> None:
        from model import predict
        self.model = predict

    @bentoml.api(route="/invocations")
    def invocations(self, text: str) -> str:
        return "\\n".join(map(str, self.model(text).tolist()))
"""
TOOLKIT = """
import os
import numpy, xgboost
from sagemaker_containers.beta.framework import encoders, transformer, worker

def model_fn(model_dir):
    booster = xgboost.Booster()
    booster.load_model(os.path.join(model_dir, "model.json"))
    return booster

def input_fn(body, content_type):
    return encoders.decode(body, content_type)

def predict_fn(rows, model):
    return model.predict(xgboost.DMatrix(numpy.atleast_2d(rows)))

def output_fn(prediction, accept):
    return worker.Response(response=encoders.encode(prediction, accept), mimetype=accept)

made = transformer.Transformer(model_fn=model_fn, input_fn=input_fn, predict_fn=predict_fn, output_fn=output_fn)
made._model = model_fn(os.environ["MODEL_FOLDER"])
app = worker.Worker(transform_fn=made.transform, module_name="app")
"""
NGINX = """
worker_processes auto;
daemon off;
pid nginx.pid;
error_log stderr;
events { worker_connections 2048; }
http {
  access_log off;
  client_body_temp_path .; proxy_temp_path .; fastcgi_temp_path .; uwsgi_temp_path .; scgi_temp_path .;
  upstream gunicorn { server unix:gunicorn.sock; }
  server {
    listen 127.0.0.1:PORT deferred;
    client_max_body_size 0;
    keepalive_timeout 3;
    location ~ ^/(ping|invocations) {
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header Host $http_host;
      proxy_redirect off;
      proxy_read_timeout 60s;
      proxy_pass http://gunicorn;
    }
  }
}
"""
_SM = (
    "sagemaker-containers==2.8.6.post2\nflask==1.1.1\nwerkzeug==1.0.1\njinja2==2.11.3\nmarkupsafe==2.0.1\n"
    "itsdangerous==1.1.0\nprotobuf<3.21\ngunicorn==20.1.0\ngevent\nsetuptools<70\n"
)
_GUNICORN = "{bin}/gunicorn -k gevent --worker-connections 2000 -w 2 --log-level warning --timeout 60 app:app -b "


@dataclass(frozen=True)
class Peer:
    """``commands`` are started in their order; ``{port}``, ``{bin}`` and ``{nginx}`` are filled in."""

    name: str
    requirements: str
    files: dict[str, str]
    commands: tuple[str, ...]
    as_json: bool = False
    image: str = IMAGE

    def message(self, rows: str) -> tuple[str, str]:
        """A request's body for these CSV rows, and its content type."""
        return (json.dumps({"text": rows}), "application/json") if self.as_json else (rows, "text/csv")


def peers() -> list[Peer]:
    with_nginx = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin") is not None
    stack = (
        ("{nginx} -p . -c nginx.conf", _GUNICORN + "unix:gunicorn.sock")
        if with_nginx
        else (_GUNICORN + "127.0.0.1:{port} --keep-alive 60",)
    )
    return [
        Peer(
            "container stack" if with_nginx else "container stack without nginx",
            _SM,
            {"app.py": TOOLKIT, "nginx.conf": NGINX},
            stack,
        ),
        Peer(
            "FastAPI",
            "fastapi\nuvicorn[standard]\n",
            {"app.py": FASTAPI, "model.py": LOAD},
            ("{bin}/uvicorn app:app --workers 2 --port {port} --log-level warning --no-access-log",),
        ),
        Peer(
            "LitServe",
            "litserve\n",
            {"app.py": LITSERVE, "model.py": LOAD},
            ("{bin}/python app.py",),
            as_json=True,
            image=NEWER,  # it needs a newer Python
        ),
        Peer(
            "BentoML",
            "bentoml\n",
            {"service.py": BENTOML, "model.py": LOAD},
            ("{bin}/bentoml serve service:Model --port {port}",),
            as_json=True,
        ),
    ]


@dataclass(frozen=True)
class Running:
    port: int
    pids: tuple[int, ...]


@contextlib.contextmanager
def running(peer: Peer, environments: Environments, model: Path) -> Iterator[Running]:
    """The peer with ``model`` (model.json) in a folder of its own, once it answers."""
    environment = environments.for_image(peer.image, None, lambda _: None)[1]
    with tempfile.TemporaryDirectory(prefix="selfmaker-peer-") as name:
        folder = Path(name)
        (folder / "requirements.txt").write_text(peer.requirements)
        python = environments.extend(environment, folder, lambda _: None).python
        port = free_port()
        shutil.copy(model, folder)
        for file, text in peer.files.items():
            (folder / file).write_text(text.replace("PORT", str(port)))
        filled = {"port": port, "bin": python.parent, "nginx": shutil.which("nginx") or "/usr/sbin/nginx"}
        variables = {**os.environ, "OMP_NUM_THREADS": "1", "MODEL_FOLDER": name, "PYTHONPATH": name}
        processes: list[subprocess.Popen[bytes]] = []
        with (folder / "log").open("wb") as log:
            try:
                for command in peer.commands:
                    words = [word.format(**filled) for word in command.split()]
                    processes.append(
                        subprocess.Popen(
                            words, cwd=folder, env=variables, stdout=log, stderr=log, start_new_session=True
                        )
                    )
                _until_it_answers(port, peer, processes, folder / "log")
                yield Running(port, tuple(process.pid for process in processes))
            finally:
                for process in processes:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGTERM)
                for process in processes:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(10)
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
                    process.wait()


def _until_it_answers(port: int, peer: Peer, processes: list["subprocess.Popen[bytes]"], log: Path) -> None:
    deadline = time.monotonic() + 90
    row = ",".join(["0.5"] * 12)
    while time.monotonic() < deadline and all(process.poll() is None for process in processes):
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            body, content_type = peer.message(row)
            connection.request("POST", "/invocations", body, {"Content-Type": content_type, "Accept": "text/csv"})
            answer = connection.getresponse()
            text = answer.read()
            if answer.status == 200:
                return
            if answer.status not in (502, 503):
                raise SystemExit(f"{peer.name}: {answer.status} {text[:500]!r}\n{log.read_text()[-3000:]}")
        time.sleep(0.2)
    raise SystemExit(f"{peer.name} did not come up:\n{log.read_text()[-3000:]}")


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def until_open(port: int) -> None:
    """Wait until somebody listens."""
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 5).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
