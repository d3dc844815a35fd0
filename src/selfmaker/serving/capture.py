"""Data capture: requests and answers kept in S3, a line of JSON each, in AWS's layout.

A line is written to a file in the server's home at once, without waiting for the disk, and the files become objects
every few seconds and when the endpoint goes. What a killed server left there is delivered by the next one.
"""

import asyncio
import contextlib
import json
import logging
import os
import random
import threading
import uuid
from base64 import b64encode
from collections.abc import Iterable
from concurrent.futures import Executor as Threads
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from selfmaker import clock, ids
from selfmaker.errors import SelfmakerError
from selfmaker.objects.protocol import Attributes
from selfmaker.objects.store import ObjectStore
from selfmaker.objects.uri import join_s3_uri, parse_s3_uri
from selfmaker.serving.spec import CaptureSpec
from selfmaker.serving.worker.transport import Message

_log = logging.getLogger(__name__)

_MOST_WAITING = 1 << 28  # bytes that wait for a destination that takes nothing; what comes then is not captured
_LINES, _PLACE = ".jsonl", ".uri"
_STORED_AS = Attributes({"ContentType": "application/json"})


class Capture:
    """What one deployment of an endpoint captures. On the event loop, but for ``deliver``, which blocks.

    ``folder`` is its own; ``prefix`` is where the objects go: the destination with the endpoint's name.
    """

    def __init__(self, spec: CaptureSpec, prefix: str, folder: Path, objects: ObjectStore) -> None:
        self._spec = spec
        self._prefix = prefix
        self._folder = folder
        self._objects = objects
        self._open: dict[str, _Lines] = {}
        self._waiting = 0
        self._flusher: asyncio.Task[None] | None = None
        self._delivering = threading.Lock()

    def take(self, variant: str, request: Message, answer: Message | None, inference_id: str = "") -> None:
        """Keep a request and its answer (None: it went by in parts), if it is one of those that are kept."""
        if random.random() * 100 >= self._spec.percentage or self._waiting > _MOST_WAITING:
            return
        line = json.dumps(self._record(request, answer, inference_id), separators=(",", ":")).encode() + b"\n"
        lines = self._open.get(variant)
        try:
            if lines is None:
                lines = self._open[variant] = _Lines(self._folder, join_s3_uri(self._prefix, variant))
            lines.add(line)
        except OSError as error:
            _log.warning("a request to variant %s was not captured: %s", variant, error)
            return
        self._waiting += len(line)

    def flush_every(self, seconds: float, threads: Threads) -> None:
        """Make objects of what was captured, again and again."""

        async def flush() -> None:
            while True:
                await asyncio.sleep(seconds)
                await self.flush(threads)

        self._flusher = asyncio.get_running_loop().create_task(flush())

    async def flush(self, threads: Threads) -> None:
        """Make objects of what was captured until now."""
        opened, self._open = self._open, {}
        for lines in opened.values():
            lines.close()
        waiting = await asyncio.get_running_loop().run_in_executor(threads, self._deliver)
        self._waiting = waiting + sum(lines.size for lines in self._open.values())

    async def close(self, threads: Threads) -> None:
        if self._flusher is not None:
            self._flusher.cancel()
            await asyncio.wait([self._flusher])
        await self.flush(threads)

    def _deliver(self) -> int:
        with self._delivering:
            return deliver(self._folder, self._objects)

    def _record(self, request: Message, answer: Message | None, inference_id: str) -> dict[str, Any]:
        data: dict[str, Any] = {}
        if self._spec.inputs:
            data["endpointInput"] = self._body(request, "INPUT")
        if self._spec.outputs and answer is not None:
            data["endpointOutput"] = self._body(answer, "OUTPUT")
        metadata: dict[str, Any] = {"eventId": str(uuid.uuid4())}
        if request.attributes:
            metadata["customAttributes"] = [request.attributes]
        if inference_id:
            metadata["inferenceId"] = inference_id
        metadata["inferenceTime"] = clock.iso8601(clock.now())[:19] + "Z"
        return {"captureData": data, "eventMetadata": metadata, "eventVersion": "0"}

    def _body(self, message: Message, mode: str) -> dict[str, Any]:
        kind = message.content_type.partition(";")[0].strip().lower()
        text = None
        encoding = "CSV" if kind in self._spec.csv else "JSON" if kind in self._spec.json else "BASE64"
        if encoding != "BASE64":
            with contextlib.suppress(UnicodeDecodeError):
                text = message.body.decode()
        if text is None:
            encoding, text = "BASE64", b64encode(message.body).decode()
        return {"observedContentType": message.content_type, "mode": mode, "data": text, "encoding": encoding}


class _Lines:
    """A file that grows by lines, with a note beside it of where it is to go."""

    def __init__(self, folder: Path, uri: str) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = ids.unique_id()
        at = datetime.fromtimestamp(clock.now(), tz=timezone.utc)
        key = at.strftime("%Y/%m/%d/%H/%M-%S-") + f"{at.microsecond // 1000:03d}-{uuid.uuid4()}.jsonl"
        (folder / (name + _PLACE)).write_text(join_s3_uri(uri, key))
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(folder / (name + ".part"), flags, 0o600)
        self._path = folder / (name + ".part")
        self.size = 0

    def add(self, line: bytes) -> None:
        os.write(self._descriptor, line)
        self.size += len(line)

    def close(self) -> None:
        os.close(self._descriptor)
        self._path.rename(self._path.with_suffix(_LINES))


def deliver(folder: Path, objects: ObjectStore) -> int:
    """Make objects of the finished files in ``folder``; returns how many bytes wait on, because they could not be."""
    waiting = 0
    for path in sorted(folder.glob("*" + _LINES)):
        place = path.with_suffix(_PLACE)
        try:
            bucket, key = parse_s3_uri(place.read_text())
            objects.put_file(bucket, key, path, move=True, attributes=_STORED_AS)
            place.unlink()
        except (SelfmakerError, OSError, ValueError) as error:
            _log.warning("captured data waits in %s: %s", path, error)
            with contextlib.suppress(FileNotFoundError):
                waiting += path.stat().st_size
    return waiting


def deliver_left_behind(folders: Iterable[Path], objects: ObjectStore) -> None:
    """Deliver what a server that is gone captured; a line that it did not finish is cut off."""
    for folder in folders:
        for path in folder.glob("*.part"):
            data = path.read_bytes()
            path.with_suffix(_LINES).write_bytes(data[: data.rfind(b"\n") + 1])
            path.unlink()
        if not deliver(folder, objects):
            for place in folder.glob("*" + _PLACE):
                place.unlink()
            with contextlib.suppress(OSError):
                folder.rmdir()
