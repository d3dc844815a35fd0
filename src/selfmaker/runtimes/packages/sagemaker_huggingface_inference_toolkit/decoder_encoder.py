"""Request bodies to what pipelines take, and what they give to response bodies."""

from __future__ import annotations

import base64
import csv
import datetime
import io
import json
from typing import Any

from sagemaker_inference import errors
from sagemaker_inference.decoder import decode as decode_array
from sagemaker_inference.encoder import encode as encode_array

from sagemaker_huggingface_inference_toolkit import content_types


def decode_json(content: str | bytes) -> Any:
    return json.loads(content)


def decode_csv(string_like: str | bytes) -> dict[str, Any]:
    """``{"inputs": [...]}``: the column of that name, or each line's question and context. Raises an error of 400."""
    text = string_like.decode("utf-8") if isinstance(string_like, bytes) else string_like
    reader = csv.DictReader(io.StringIO(text))
    columns = reader.fieldnames or []
    if "inputs" in columns:
        return {"inputs": [row["inputs"] for row in reader]}
    if {"question", "context"} <= set(columns):
        return {"inputs": [{"question": row["question"], "context": row["context"]} for row in reader]}
    raise errors.GenericInferenceToolkitError(
        400, "CSV needs a header with the column inputs, or with the columns question and context"
    )


def decode_image(content: bytes) -> dict[str, Any]:
    from PIL import Image

    return {"inputs": Image.open(io.BytesIO(content))}


def decode_audio(content: bytes) -> dict[str, Any]:
    return {"inputs": bytes(content)}


def encode_json(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False, allow_nan=False, indent=None, default=_plain, separators=(",", ":"))


def encode_csv(content: Any) -> str:
    """Of a list of objects, the first of which has all names. Raises an error of 400."""
    if not isinstance(content, list) or not content or not all(isinstance(row, dict) for row in content):
        raise errors.GenericInferenceToolkitError(400, "CSV can only be made of a list of objects")
    lines = io.StringIO()
    writer = csv.DictWriter(lines, fieldnames=list(content[0]))
    writer.writeheader()
    writer.writerows(content)
    return lines.getvalue()


def decode(content: Any, content_type: str = content_types.JSON) -> Any:
    """Raises UnsupportedFormatError for another content type."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == content_types.JSON:
        return decode_json(content)
    if kind == content_types.CSV:
        return decode_csv(content)
    if kind.startswith("image/"):
        return decode_image(content)
    if kind.startswith("audio/") or kind == content_types.OCTET_STREAM:
        return decode_audio(content)
    return decode_array(content, content_type)


def encode(content: Any, content_type: str = content_types.JSON) -> Any:
    """Raises UnsupportedFormatError for another content type."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind in (content_types.JSON, content_types.ANY):
        return encode_json(content)
    if kind == content_types.CSV:
        return encode_csv(content)
    return encode_array(content, content_type)


def _plain(item: Any) -> Any:
    if isinstance(item, (datetime.datetime, datetime.date)):
        return item.isoformat()
    if hasattr(item, "tolist"):
        return item.tolist()
    if hasattr(item, "save"):  # an image
        buffer = io.BytesIO()
        item.save(buffer, format="PNG")
        return base64.b64encode(buffer.getvalue()).decode("ascii")
    raise TypeError(f"{type(item).__name__} has no JSON form")
