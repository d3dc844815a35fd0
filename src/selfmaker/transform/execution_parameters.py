"""What a container of the user's own wants of batch transform: its GET /execution-parameters, where the job is silent.

A request's own parameters go before it.

https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-batch-code.html
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from selfmaker.transform.host_plan import Sending
from selfmaker.transform.splitting import MEGABYTE, MULTI_RECORD, SINGLE_RECORD

CONCURRENCY, PAYLOAD, STRATEGY = "MaxConcurrentTransforms", "MaxPayloadInMB", "BatchStrategy"
_STRATEGIES = {"MULTI_RECORD": MULTI_RECORD, "SINGLE_RECORD": SINGLE_RECORD}


def left_open(document: Mapping[str, Any]) -> tuple[str, ...]:
    """The parameters that a CreateTransformJob request leaves to the container; no concurrency is 0 of them."""
    open_ones = [CONCURRENCY] if not document.get(CONCURRENCY) else []
    return (*open_ones, *(name for name in (PAYLOAD, STRATEGY) if name not in document))


def wanted(sending: Sending, names: tuple[str, ...], body: bytes) -> Sending:
    """``sending`` with those of ``names`` that the container's answer ``body`` tells; what makes no sense is passed
    over, as an answer that is no JSON is."""
    try:
        told = json.loads(body)
    except ValueError:
        return sending
    if not isinstance(told, dict):
        return sending
    chosen = {name: told[name] for name in names if name in told}
    concurrency, megabytes = _count(chosen.get(CONCURRENCY), 1), _count(chosen.get(PAYLOAD), 0)
    if concurrency is not None:
        at_once = -(-sending.timeout * concurrency // sending.concurrency)
        sending = replace(sending, concurrency=concurrency, timeout=max(sending.timeout, at_once))
    if megabytes is not None:
        sending = replace(sending, limit=megabytes * MEGABYTE)
    strategy = _STRATEGIES.get(str(chosen.get(STRATEGY, "")))
    return replace(sending, strategy=strategy) if strategy is not None else sending


def _count(value: Any, least: int) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= least else None
