"""Workers alone: the program in an environment of a framework, and a plain socket to talk to it."""

import os
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import selfmaker.serving.worker
from selfmaker.runtimes.environments import Environments
from selfmaker.serving.worker import transport
from selfmaker.serving.worker.transport import Message

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = "import sys; sys.path.insert(0, sys.argv.pop(1)); from selfmaker_worker.main import main; main()"


class LoneWorker:
    """A worker process without router or sandbox. ``state`` is READY or FAILED, ``told`` what it said with that."""

    def __init__(self, python: Path, folder: Path, options: list[str], variables: Mapping[str, str]) -> None:
        (folder / "selfmaker_worker").symlink_to(Path(selfmaker.serving.worker.__file__).parent)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(folder / "s"))
        listener.listen(1)
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [python, "-c", PROGRAM, str(folder), "--socket", str(folder / "s"), *options],
                env={"PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", **variables},
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        listener.settimeout(120)
        self.socket, _ = listener.accept()
        listener.close()
        self.socket.settimeout(120)
        self.decoder = transport.Decoder()
        self.state, _, told = self._frame()
        self.told = told.decode()

    def _frame(self) -> tuple[int, int, bytes]:
        while True:
            frames = self.decoder.feed(self.socket.recv(1 << 18))
            if frames:
                assert len(frames) == 1
                return frames[0]

    def ask(self, body: bytes | str, content_type: str = "text/csv", accept: str = "", attributes: str = "") -> Message:
        data = body.encode() if isinstance(body, str) else body
        request = Message(0, content_type, accept, attributes, data)
        self.socket.sendall(transport.message_frame(transport.REQUEST, 7, request))
        kind, number, payload = self._frame()
        assert (kind, number) == (transport.RESPONSE, 7)
        return transport.parse_message(payload)

    def text(self, *arguments: Any, **options: Any) -> str:
        """The body of an answer that must be good."""
        answer = self.ask(*arguments, **options)
        assert answer.status == 200, answer
        return answer.body.decode()

    def close(self) -> int:
        self.socket.close()
        return self.process.wait(30)


Start = Callable[..., LoneWorker]


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Path], Start]]:
    """``workers(python)(framework, model_dir, script, **variables)``: a worker that ends with the module's tests."""
    started: list[LoneWorker] = []
    folders: list[tempfile.TemporaryDirectory[str]] = []

    def starter(python: Path) -> Start:
        def start(
            framework: str,
            model_dir: Path,
            script: str | None = None,
            code: Path | None = None,
            program: str = "inference.py",
            **variables: str,
        ) -> LoneWorker:
            folders.append(tempfile.TemporaryDirectory())
            options = ["--framework", framework, "--model-dir", str(model_dir)]
            if script is not None:
                code = tmp_path_factory.mktemp("code")
                (code / program).write_text(script)
            if code is not None:
                options += ["--code-dir", str(code), "--program", program]
            if "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT" in variables:
                options += ["--default-accept", variables["SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT"]]
            started.append(LoneWorker(python, Path(folders[-1].name), options, variables))
            return started[-1]

        return start

    yield starter
    for worker in started:
        worker.close()
    for folder in folders:
        folder.cleanup()


@pytest.fixture(scope="session")
def environment_of() -> Callable[[str], Path]:
    """``environment_of(image)``: the interpreter of the image's environment, built if need be."""
    folder = Path(os.environ.get("SELFMAKER_ENVIRONMENTS") or ROOT / ".cache" / "environments")

    def python(image: str) -> Path:
        return Environments(folder).for_image(image, None, print)[1].python

    return python


def made_by(python: Path, program: str, folder: Path) -> Path:
    """The folder in which ``program``, run in the environment, has left its models."""
    subprocess.run([python, "-c", program], cwd=folder, check=True, capture_output=True, timeout=300)
    return folder
