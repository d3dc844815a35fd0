"""AWS clients whose code names an address of Amazon's talk to the server of this machine instead.

AWS_ENDPOINT_URL does it for clients that name no address. Both SageMaker SDKs name one: their STS client is built with
``https://sts.<region>.amazonaws.com``. An address that isn't Amazon's (a MinIO of the user's) is left alone.
"""

from __future__ import annotations

import functools
import inspect
import os
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from _selfmaker.hooks import replace  # type: ignore[import-not-found]

AMAZON = ("amazonaws.com", "amazonaws.com.cn", "api.aws", "api.amazonwebservices.com.cn")


def redirect_sessions(module: ModuleType) -> None:
    """botocore.session, on which boto3, its resources, and everything else synchronous is built."""
    _redirect(module.Session, "create_client")


def redirect_async_sessions(module: ModuleType) -> None:
    """aiobotocore.session (s3fs): ``create_client`` passes its arguments on to this coroutine function."""
    if hasattr(module.AioSession, "_create_client"):
        _redirect(module.AioSession, "_create_client")


def our_endpoint() -> str | None:
    """Where the server is."""
    return os.environ.get("SELFMAKER_ENDPOINT_URL")


def is_amazon(url: str) -> bool:
    """Whether ``url`` is an address of AWS's."""
    host = (urlsplit(url if "//" in url else "//" + url).hostname or "").rstrip(".").lower()
    return any(host == name or host.endswith("." + name) for name in AMAZON)


def _redirect(owner: Any, name: str) -> None:
    original = vars(owner)[name]
    signature = inspect.signature(original)

    @functools.wraps(original)
    def create_client(*args: Any, **kwargs: Any) -> Any:
        endpoint = our_endpoint()
        try:
            call = signature.bind(*args, **kwargs)
        except TypeError:
            return original(*args, **kwargs)  # raises it in its own words
        if endpoint:
            _direct(call.arguments, endpoint)
        return original(*call.args, **call.kwargs)

    replace(owner, name, create_client)


def _direct(arguments: dict[str, Any], endpoint: str) -> None:
    """Change the arguments of create_client so that the client goes to ``endpoint``, unless another was asked for.

    The address is given even where botocore would read it from the environment: it would tell the user's log so for
    each client, versions before 1.31 don't read it, and the program may have told it not to.
    """
    asked = arguments.get("endpoint_url")
    config = arguments.get("config")
    environment_counts = not getattr(config, "ignore_configured_endpoint_urls", None)
    if asked is None and environment_counts and _program_set_another(endpoint):
        return
    if asked is not None and not is_amazon(str(asked)):
        return
    arguments["endpoint_url"] = endpoint
    if config is not None:
        arguments["config"] = _without_amazons_routes(config)


def _program_set_another(endpoint: str) -> bool:
    """Whether the environment, which had none but ours at the start, now names other addresses: botocore reads them."""
    return os.environ.get("AWS_ENDPOINT_URL", "") not in ("", endpoint) or any(
        name.startswith("AWS_ENDPOINT_URL_") for name in os.environ
    )


def _without_amazons_routes(config: Any) -> Any:
    """botocore refuses FIPS, dual-stack and accelerated addresses together with an endpoint of one's own."""
    from botocore.config import Config

    changes: dict[str, Any] = {}
    for name in ("use_fips_endpoint", "use_dualstack_endpoint"):
        if getattr(config, name, None):
            changes[name] = False
    s3 = getattr(config, "s3", None) or {}
    if s3.get("use_accelerate_endpoint") or s3.get("use_dualstack_endpoint"):
        changes["s3"] = {**s3, "use_accelerate_endpoint": False, "use_dualstack_endpoint": False}
    return config.merge(Config(**changes)) if changes else config
