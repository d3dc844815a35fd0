"""The model's answers, by an endpoint: one that is named, or a shadow that lives as long as the analysis."""

from __future__ import annotations

import io
import json
import time
import uuid
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

import boto3
import jmespath
import numpy as np
import pandas as pd
from botocore.exceptions import BotoCoreError, ClientError

from sagemaker_clarify_processing.job import Job, UserError

ROWS_OF_A_REQUEST = 2000
LONGEST_START = 1800.0  # seconds until the endpoint serves
LONGEST_WAIT = 100.0  # seconds for what is deleted: a job that is stopped has 120


class Predictor:
    """A context: the shadow endpoint is there inside of it. Raises UserError."""

    def __init__(self, job: Job) -> None:
        config = job.config.get("predictor")
        if not config:
            raise UserError("predictor is needed: the dataset has no predictions, or the model is to be explained.")
        if job.isolated:
            raise UserError("EnableNetworkIsolation: the model's endpoint cannot be reached.")
        self._config: Mapping[str, Any] = config
        self._content = config.get("content_type", job.config.get("dataset_type", "text/csv"))
        self._accept = config.get("accept_type", self._content)
        self._sagemaker = boto3.client("sagemaker")
        self._runtime = boto3.client("sagemaker-runtime")
        self._endpoint = config.get("endpoint_name", "")
        self._own = ""

    def __enter__(self) -> Predictor:
        if not self._endpoint:
            self._endpoint = self._own = self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._own:
            for delete, name in (("delete_endpoint", "EndpointName"), ("delete_endpoint_config", "EndpointConfigName")):
                try:
                    self._remove(delete, name)
                except (BotoCoreError, ClientError) as failed:
                    print(f"{name} {self._own} was not deleted: {failed}")

    def _remove(self, delete: str, name: str) -> None:
        """An endpoint that is still being created can be deleted once it is there. Raises ClientError."""
        deadline = time.monotonic() + LONGEST_WAIT
        while True:
            try:
                getattr(self._sagemaker, delete)(**{name: self._own})
            except ClientError as error:
                if "in-progress" not in str(error) or time.monotonic() > deadline:
                    raise
            else:
                return
            time.sleep(0.3)

    def _start(self) -> str:
        model = self._config.get("model_name")
        if not model:
            raise UserError("predictor: model_name or endpoint_name is needed.")
        name = f"{self._config.get('endpoint_name_prefix') or 'sm-clarify'}-{uuid.uuid4().hex[:12]}"
        variant = {
            "VariantName": "AllTraffic",
            "ModelName": model,
            "InstanceType": self._config.get("instance_type", "ml.m5.large"),
            "InitialInstanceCount": self._config.get("initial_instance_count", 1),
        }
        print(f"Creating the endpoint {name} of the model {model}")
        serves = False
        try:
            self._sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
            self._own = name
            self._sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
            self._until_it_serves(name)
            serves = True
        except (BotoCoreError, ClientError) as error:
            raise UserError(f"The model {model} cannot be served: {error}") from None
        finally:
            if not serves:  # the job's stop is no exception to it
                self.__exit__(None, None, None)
        return name

    def _until_it_serves(self, name: str) -> None:
        deadline = time.monotonic() + LONGEST_START
        while True:
            described = self._sagemaker.describe_endpoint(EndpointName=name)
            if described["EndpointStatus"] == "InService":
                return
            if described["EndpointStatus"] == "Failed" or time.monotonic() > deadline:
                why = described.get("FailureReason", described["EndpointStatus"])
                raise UserError(f"The endpoint of the model does not serve: {why}")
            time.sleep(0.3)

    # -- asking

    def scores(self, features: pd.DataFrame) -> Any:
        """For each row the numbers that the model answers: one column for each label. Raises UserError."""
        parts = []
        for start in range(0, len(features), ROWS_OF_A_REQUEST):
            part = features.iloc[start : start + ROWS_OF_A_REQUEST]
            answer = np.asarray(self._numbers(self._ask(part), len(part)), dtype=float)
            answer = answer.reshape(-1, 1) if answer.ndim == 1 else answer
            if len(answer) != len(part):
                raise UserError(f"The model answered {len(answer)} predictions for {len(part)} rows.")
            parts.append(answer)
        return np.concatenate(parts)

    def labels(self, features: pd.DataFrame, threshold: float | None) -> pd.Series:
        """For each row the predicted label: what the model says it is, or what its probability says."""
        answers: list[Any] = []
        for start in range(0, len(features), ROWS_OF_A_REQUEST):
            part = features.iloc[start : start + ROWS_OF_A_REQUEST]
            answers += self._rows(self._ask(part), len(part))
        wanted = self._config.get("label")
        if wanted is not None and threshold is None:
            return pd.Series([_single(_pick(answer, wanted)) for answer in answers])
        names = self._config.get("label_headers")
        found = []
        for answer in answers:
            values = _numbers(_pick(answer, self._config.get("probability", wanted)))
            if len(values) == 1:
                is_score = threshold is not None or 0 < values[0] < 1
                found.append(int(values[0] > (0.5 if threshold is None else threshold)) if is_score else values[0])
            else:
                best = int(np.argmax(values))
                found.append(names[best] if names else best)
        return pd.Series(found)

    def _numbers(self, text: str, expected: int) -> list[list[float]]:
        rows = self._rows(text, expected)
        wanted = self._config.get("probability", self._config.get("label"))
        return [_numbers(_pick(row, wanted)) for row in rows]

    def _ask(self, features: pd.DataFrame) -> str:
        given = {"CustomAttributes": self._config["custom_attributes"]} if "custom_attributes" in self._config else {}
        if "target_model" in self._config:
            given["TargetModel"] = self._config["target_model"]
        try:
            answer = self._runtime.invoke_endpoint(
                EndpointName=self._endpoint,
                ContentType=self._content,
                Accept=self._accept,
                Body=self._body(features),
                **given,
            )
            text: str = answer["Body"].read().decode()
        except (BotoCoreError, ClientError, UnicodeDecodeError) as error:
            raise UserError(f"The model could not be asked: {error}") from None
        return text

    def _body(self, features: pd.DataFrame) -> bytes:
        if self._content == "text/csv":
            return features.to_csv(header=False, index=False).encode()
        if self._content == "application/x-npy":
            buffer = io.BytesIO()
            np.save(buffer, features.to_numpy())
            return buffer.getvalue()
        records = [self._record(list(features.columns), row) for row in features.to_numpy().tolist()]
        if self._content == "application/jsonlines":
            return "\n".join(records).encode()
        template = self._config.get("content_template")
        if isinstance(template, str) and "$records" in template:
            return template.replace("$records", f"[{', '.join(records)}]").encode()
        return f'{{"instances": [{", ".join(records)}]}}'.encode()

    def _record(self, names: Sequence[str], row: list[Any]) -> str:
        """A row by ``record_template`` (of JSON) or ``content_template`` (of JSON Lines)."""
        template = self._config.get("record_template")
        if template is None and self._content == "application/jsonlines":
            template = self._config.get("content_template", '{"features": $features}')
        if not isinstance(template, str):
            return json.dumps(row)
        pairs = json.dumps(dict(zip(names, row)))
        text = template.replace("$features_kvp", pairs).replace("$features", json.dumps(row))
        for name, value in zip(names, row):
            text = text.replace(f'"${{{name}}}"', json.dumps(value))
        return text

    def _rows(self, text: str, expected: int) -> list[Any]:
        """One answer for each row, as it came. A single line with a value for each of the ``expected`` rows, which is
        how XGBoost's images before 1.2-2 answer, is as many answers."""
        try:
            if self._accept == "text/csv":
                rows = [[_value(cell) for cell in line.split(",")] for line in text.splitlines() if line.strip()]
                return [[value] for value in rows[0]] if len(rows) == 1 and len(rows[0]) == expected else rows
            if self._accept == "application/jsonlines":
                return [json.loads(line) for line in text.splitlines() if line.strip()]
            document = json.loads(text)
        except ValueError as error:
            raise UserError(f"The model's answer is no {self._accept}: {error}") from None
        if isinstance(document, dict):
            lists = [value for value in document.values() if isinstance(value, list)]
            if len(lists) == 1:
                return list(lists[0])
        return document if isinstance(document, list) else [document]


def _pick(answer: Any, wanted: Any) -> Any:
    """A part of a row's answer: by its place, or by a JMESPath."""
    if wanted is None:
        return answer
    if isinstance(wanted, int):
        return answer[wanted] if isinstance(answer, list) and wanted < len(answer) else answer
    if isinstance(answer, dict):
        return jmespath.search(str(wanted).split("[*].")[-1], answer)
    return answer


def _single(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else value


def _numbers(value: Any) -> list[float]:
    """The numbers of an answer: of a JSON object, those of its members that are numbers."""
    if isinstance(value, dict):
        value = [inner for inner in value.values() if isinstance(inner, (int, float, list))]
        value = value[-1] if value and isinstance(value[-1], list) else value
    if isinstance(value, str):
        value = [cell for cell in value.strip("[]").replace(",", " ").split() if cell]
    try:
        return [float(inner) for inner in value] if isinstance(value, list) else [float(value)]
    except (TypeError, ValueError):
        raise UserError(f"The model's answer has no numbers: {value!r}; name them by predictor.probability.") from None


def _value(cell: str) -> Any:
    text = cell.strip().strip('"')
    try:
        number = float(text)
    except ValueError:
        return text
    return int(number) if number.is_integer() and "." not in text and "e" not in text.lower() else number
