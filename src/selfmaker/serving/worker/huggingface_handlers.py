"""Hugging Face: without a model_fn, the pipeline for the variable HF_TASK on the model's files.

A request is ``{"inputs": ..., "parameters": {...}}``, CSV whose header says what its columns are, or plain text; what
the pipeline makes of the inputs is the answer. A task that isn't given follows from the model's architecture.
"""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path
from typing import Any

from . import arrays, formats
from .handlers import Handlers, RequestError
from .streaming import Streamed
from .transport import Message

TEXT = "text/plain"
# How the names of transformers' classes end, and the pipelines that these are for.
TASKS = {
    "ForSequenceClassification": "text-classification",
    "ForTokenClassification": "token-classification",
    "ForQuestionAnswering": "question-answering",
    "ForMaskedLM": "fill-mask",
    "ForCausalLM": "text-generation",
    "LMHeadModel": "text-generation",
    "ForConditionalGeneration": "text2text-generation",
    "ForImageClassification": "image-classification",
}


class HuggingfaceHandlers(Handlers):
    """The user's functions are those of the other frameworks' scripts."""

    def load(self) -> None:
        import torch

        torch.set_num_threads(1)  # a worker is one of many, for one core
        super().load()

    def respond(self, request: Message) -> Message | Streamed:
        """What the functions raise is a client's error in this container, in its model server's form; what says its own
        status, and a format that is not supported, stay as they are."""
        try:
            return super().respond(request)
        except Exception as error:
            if type(error).__name__ == "UnsupportedFormatError" or _has_status(error):
                raise
            told = {"code": 400, "type": "InternalServerException", "message": str(error)}
            raise RequestError(400, json.dumps(told, indent=2)) from error

    def model_fn(self, model_dir: str) -> Any:
        import torch
        from transformers import pipeline

        local = (Path(model_dir) / "config.json").is_file()
        source = model_dir if local else os.environ.get("HF_MODEL_ID", "")
        if not source:
            raise FileNotFoundError("the model has no config.json, and the variable HF_MODEL_ID names no other model")
        task = os.environ.get("HF_TASK") or (_task_of(Path(model_dir)) if local else None)
        return pipeline(task=task, model=source, device=0 if torch.cuda.is_available() else -1)

    def input_fn(self, body: Any, content_type: str) -> Any:
        kind = formats.media_type(content_type)
        if kind == formats.JSON:
            return json.loads(body)
        if kind == TEXT:
            return {"inputs": body.decode("utf-8")}
        if kind == formats.CSV:
            return {"inputs": _rows(body)}
        if kind.startswith(("audio/", "image/")) or kind == "application/octet-stream":
            return {"inputs": _media(kind, body)}
        return arrays.decode(body, content_type)

    def predict_fn(self, data: Any, model: Any) -> Any:
        if not isinstance(data, dict):
            return model(data)
        parameters = data.get("parameters") or {}
        inputs = data.get("inputs", data)
        return model(**inputs, **parameters) if isinstance(inputs, dict) else model(inputs, **parameters)

    def output_fn(self, prediction: Any, accept: str) -> Any:
        return arrays.encode(prediction, accept)


def _has_status(error: Exception) -> bool:
    return hasattr(error, "status_code") or hasattr(error, "status")


def _task_of(folder: Path) -> str:
    names = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("architectures") or []
    for name in names:
        for ending, task in TASKS.items():
            if name.endswith(ending):
                return task
    raise ValueError(f"set the variable HF_TASK: what the model is for cannot be told from its architectures {names}")


def _rows(text: str) -> list[Any]:
    """The column ``inputs``, or each line as an object of ``question`` and ``context``."""
    reader = csv.DictReader(io.StringIO(text))
    header = reader.fieldnames or []
    if "inputs" in header:
        return [row["inputs"] for row in reader]
    if {"question", "context"} <= set(header):
        return [{"question": row["question"], "context": row["context"]} for row in reader]
    raise RequestError(400, "CSV needs a header with the column inputs, or with the columns question and context")


def _media(kind: str, body: bytes) -> Any:
    if not kind.startswith("image/"):
        return body
    from PIL import Image

    return Image.open(io.BytesIO(body))
