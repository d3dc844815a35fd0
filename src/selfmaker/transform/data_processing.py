"""What happens to records on their way to the model and to its answers on their way out: filters and the join.

InputFilter selects what of each record the model sees, JoinSource puts the model's answer beside the record, and
OutputFilter selects what of both is written. CSV is taken row by row as a list of texts, JSON value by value. The
messages are AWS's own where they are known.
"""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Protocol
from uuid import uuid4

from selfmaker.errors import Invalid
from selfmaker.transform.json_path import WHOLE, JsonPath, NothingThere
from selfmaker.transform.splitting import NONE, Batch

CSV, JSON, JSON_LINES = "text/csv", "application/json", "application/jsonlines"
INPUT = "Input"
SAGEMAKER_INPUT, SAGEMAKER_OUTPUT = "SageMakerInput", "SageMakerOutput"
INFERENCE_ID, INFERENCE_TIME = "SageMakerInferenceId", "SageMakerInferenceTime"

_SYNONYMS = {
    "application/jsonl": JSON_LINES,
    "application/x-jsonlines": JSON_LINES,
    "application/json-lines": JSON_LINES,
}


class Unprocessable(Invalid):
    """A record cannot be filtered, or the model's answer cannot be joined; the message names the record."""


class DataProcessing(Protocol):
    """Pure; used by several threads."""

    def request(self, batch: Batch) -> bytes:
        """The payload for the model. Raises Unprocessable."""

    def output(self, batch: Batch, answer: bytes) -> bytes:
        """What to write. Raises Unprocessable."""


@dataclass(frozen=True)
class Filters:
    """The members of DataProcessing, and whether the answers get an identifier and a time (data capture's wish)."""

    input_filter: str = WHOLE
    output_filter: str = WHOLE
    join_source: str = NONE
    inference_id: bool = False

    @property
    def idle(self) -> bool:
        """Whether records and answers pass as they are."""
        plain = JsonPath(self.input_filter).whole and JsonPath(self.output_filter).whole
        return plain and self.join_source == NONE and not self.inference_id


def media_type(content_type: str) -> str:
    """The type without parameters, in its usual spelling."""
    name = content_type.partition(";")[0].strip().lower()
    return _SYNONYMS.get(name, name)


def data_processing(filters: Filters, content_type: str, split_type: str, assemble_with: str) -> DataProcessing:
    """The right one for the job. ``content_type`` must be one of the three above where filters are at work."""
    if filters.idle:
        return Passing(b"" if assemble_with == NONE else b"\n")
    kind = media_type(content_type)
    if kind == CSV:
        return Rows(filters)
    one_value = kind == JSON and split_type == NONE
    return Values(filters, one_value, b"" if one_value and assemble_with == NONE else b"\n")


class Passing:
    """Everything as it is; ``ending`` after each answer that does not end with it."""

    def __init__(self, ending: bytes) -> None:
        self._ending = ending

    def request(self, batch: Batch) -> bytes:
        return batch.data

    def output(self, batch: Batch, answer: bytes) -> bytes:
        return answer if answer.endswith(self._ending) else answer + self._ending


class Rows:
    """CSV: a record is a line; the answer must have as many."""

    def __init__(self, filters: Filters) -> None:
        self._input = JsonPath(filters.input_filter)
        self._output = JsonPath(filters.output_filter)
        self._join = filters.join_source == INPUT
        self._identify = filters.inference_id

    def request(self, batch: Batch) -> bytes:
        if self._input.whole:
            return batch.data
        return _csv_text(_selected(self._input, row, place, "InputFilter") for place, row in _csv_rows(batch))

    def output(self, batch: Batch, answer: bytes) -> bytes:
        answers = _lines(answer)
        if not self._join:
            rows = [(f"{batch.named}, line {n}", row) for n, row in enumerate(_read_csv(answers, batch), start=1)]
            return self._written(rows)
        if self._output.whole and not self._identify:
            lines = [line for _, line in _numbered(batch)]
            _check_count(batch, len(lines), len(answers))
            return b"".join([line + b"," + answer + b"\n" for line, answer in zip(lines, answers, strict=True)])
        given = list(_csv_rows(batch))
        _check_count(batch, len(given), len(answers))
        made = _read_csv(answers, batch)
        return self._written([(place, row + own) for (place, row), own in zip(given, made, strict=True)])

    def _written(self, rows: list[tuple[str, list[str]]]) -> bytes:
        selected = (_selected(self._output, row, place, "OutputFilter") for place, row in rows)
        if self._identify:
            time = _now()
            return _csv_text([*row, str(uuid4()), time] for row in selected)
        return _csv_text(selected)


class Values:
    """JSON: a record is a line, or the whole object where ``one_value``; each has one answer."""

    def __init__(self, filters: Filters, one_value: bool, ending: bytes) -> None:
        self._input = JsonPath(filters.input_filter)
        self._output = JsonPath(filters.output_filter)
        self._join = filters.join_source == INPUT
        self._identify = filters.inference_id
        self._one_value = one_value
        self._ending = ending

    def request(self, batch: Batch) -> bytes:
        if self._input.whole:
            return batch.data
        values = [_select(self._input, value, place, "InputFilter") for place, value in self._values(batch)]
        return b"\n".join(map(_json_bytes, values)) + (b"" if batch.count == 1 else b"\n")

    def output(self, batch: Batch, answer: bytes) -> bytes:
        answers = self._answers(batch, answer)
        if self._join:
            given = list(self._values(batch))
            _check_count(batch, len(given), len(answers))
            pairs = [(place, _joined(value, own)) for (place, value), own in zip(given, answers, strict=True)]
        else:
            pairs = [(f"{batch.named}, answer {n}", value) for n, value in enumerate(answers, start=1)]
        values = [_select(self._output, value, place, "OutputFilter") for place, value in pairs]
        if self._identify:
            values = [_identified(value) for value in values]
        return b"".join([_json_bytes(value) + self._ending for value in values])

    def _values(self, batch: Batch) -> Iterator[tuple[str, Any]]:
        if self._one_value:
            yield batch.named, _read_json(batch.data, f"{batch.named}: Unable to parse the input as JSON")
            return
        for place, line in _numbered(batch):
            yield place, _read_json(line, f"{place}: Unable to parse the input as JSON")

    def _answers(self, batch: Batch, answer: bytes) -> list[Any]:
        why = f"{batch.named}: Failed to parse output from the algorithm as JSON"
        if self._one_value or batch.count == 1:
            return [_read_json(answer, why)]
        return [_read_json(line, why) for line in _lines(answer)]


def _lines(data: bytes) -> list[bytes]:
    return [line.rstrip(b"\r") for line in data.split(b"\n") if line.strip()]


def _numbered(batch: Batch) -> Iterator[tuple[str, bytes]]:
    """The lines that hold something, each with its name for messages."""
    for number, line in enumerate(batch.data.split(b"\n"), start=batch.first):
        if line.strip():
            yield f"record {number}", line.rstrip(b"\r")


def _check_count(batch: Batch, given: int, made: int) -> None:
    if given != made:
        raise Unprocessable(
            f"{batch.named}: Fail to join data: mismatched line count between the input and the output "
            f"({given} and {made})"
        )


def _csv_rows(batch: Batch) -> Iterator[tuple[str, list[str]]]:
    for place, line in _numbered(batch):
        text = _text(line, place)
        if '"' not in text:
            yield place, text.split(",")
            continue
        try:
            yield place, next(csv.reader([text], strict=True))
        except csv.Error as error:
            raise Unprocessable(f"{place}: Unable to parse the input as CSV: {error}") from None


def _read_csv(lines: list[bytes], batch: Batch) -> list[list[str]]:
    why = f"{batch.named}: Failed to parse output from the algorithm as CSV"
    texts = [_text(line, why) for line in lines]
    try:
        return [next(csv.reader([text], strict=True)) if '"' in text else text.split(",") for text in texts]
    except csv.Error as error:
        raise Unprocessable(f"{why}: {error}") from None


def _text(line: bytes, place: str) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Unprocessable(f"{place}: it is not UTF-8 text: {error}") from None


def _csv_text(rows: Iterator[list[str]]) -> bytes:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(rows)
    return stream.getvalue().encode("utf-8")


def _selected(path: JsonPath, row: list[str], place: str, member: str) -> list[str]:
    """What the path selects of a row, as a row."""
    if path.whole:
        return row
    found = _select(path, row, place, member)
    return found if isinstance(found, list) else [found]


def _select(path: JsonPath, value: Any, place: str, member: str) -> Any:
    if path.whole:
        return value
    try:
        return path.select(value)
    except NothingThere as nothing:
        raise Unprocessable(f"{place}: {member} {path.text}: {nothing.message}") from None


def _joined(value: Any, answer: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return {**value, SAGEMAKER_OUTPUT: answer}
    return {SAGEMAKER_INPUT: value, SAGEMAKER_OUTPUT: answer}


def _identified(value: Any) -> dict[str, Any]:
    known = value if isinstance(value, dict) else {SAGEMAKER_OUTPUT: value}
    return {**known, INFERENCE_ID: str(uuid4()), INFERENCE_TIME: _now()}


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _read_json(data: bytes, why: str) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Unprocessable(f"{why}: {error}") from None


def _json_bytes(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")
