"""Calls of AWS's JSON operations, as any client makes them, without the second that importing botocore takes."""

import hashlib
import hmac
import http.client
import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from selfmaker.client.environment import Connection
from selfmaker.errors import SelfmakerError, Unavailable

TARGETS = {"sagemaker": "SageMaker", "logs": "Logs_20140328"}
"""botocore's service -> the prefix of X-Amz-Target."""

_TYPE = "application/x-amz-json-1.1"
_SIGNED = "content-type;host;x-amz-date;x-amz-target"


class CallError(SelfmakerError):
    """An answer that is AWS's error ``code``."""

    def __init__(self, code: str, message: str, status: int) -> None:
        super().__init__(message or code)
        self.code = code
        self.status = status


class Caller:
    """One connection to the server, signed with its own credentials. For one thread."""

    def __init__(self, connection: Connection, region: str | None = None) -> None:
        self._connection = connection
        self._region = region or connection.region
        self._netloc = urlsplit(connection.endpoint_url).netloc
        self._http = http.client.HTTPConnection(self._netloc, timeout=120)

    def call(self, service: str, operation: str, **request: Any) -> dict[str, Any]:
        """The output; timestamps are seconds since the epoch. Raises CallError, or Unavailable when nobody answers."""
        body = json.dumps(request).encode()
        headers = self._signed(service, operation, body)
        try:
            self._http.request("POST", "/", body, headers)
            response = self._http.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._http.close()
            raise Unavailable(
                f"no answer from {self._connection.endpoint_url} ({error}); see `selfmaker status`"
            ) from None
        if response.status == 200:
            output: dict[str, Any] = json.loads(answer or b"{}")
            return output
        raise _error(response.status, answer)

    def pages(self, service: str, operation: str, member: str, **request: Any) -> Iterator[Any]:
        """The items of ``member`` over all pages."""
        while True:
            output = self.call(service, operation, **request)
            yield from output.get(member, ())
            following = {name: output[name] for name in ("NextToken", "nextToken") if output.get(name)}
            if not following:
                return
            request.update(following)

    def _signed(self, service: str, operation: str, body: bytes) -> dict[str, str]:
        """Signature version 4, as https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html"""
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        target = f"{TARGETS[service]}.{operation}"
        scope = f"{moment[:8]}/{self._region}/{service}/aws4_request"
        canonical = (
            f"POST\n/\n\ncontent-type:{_TYPE}\nhost:{self._netloc}\nx-amz-date:{moment}\nx-amz-target:{target}\n\n"
            f"{_SIGNED}\n{hashlib.sha256(body).hexdigest()}"
        )
        text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        key = b"AWS4" + self._connection.secret_access_key.encode()
        for part in (*scope.split("/"), text):
            key = hmac.digest(key, part.encode(), "sha256")
        credential = f"Credential={self._connection.access_key_id}/{scope}"
        return {
            "Content-Type": _TYPE,
            "X-Amz-Date": moment,
            "X-Amz-Target": target,
            "Authorization": f"AWS4-HMAC-SHA256 {credential}, SignedHeaders={_SIGNED}, Signature={key.hex()}",
        }


def _error(status: int, answer: bytes) -> CallError:
    try:
        document = json.loads(answer)
        code = str(document["__type"]).rpartition("#")[2]
        return CallError(code, str(document.get("message") or document.get("Message") or ""), status)
    except (ValueError, KeyError, TypeError, AttributeError):
        return CallError(f"HTTP {status}", answer.decode(errors="replace")[:300], status)
