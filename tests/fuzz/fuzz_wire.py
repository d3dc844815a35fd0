"""Requests as bytes, signed, past everything that a client would check; answers as far as a client would read them."""

import contextlib
import hashlib
import http.client
import json
import socket
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit
from xml.etree import ElementTree

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.serialize import create_serializer

from selfmaker.aws.model import Plan
from selfmaker.aws.protocols import cbor

REGION = "us-east-1"
PATIENCE = 10
"""Seconds until a request counts as hanging."""


@dataclass(frozen=True)
class Raw:
    """A request that is yet to be signed."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """``code`` and ``message`` are those of an AWS error, empty where the answer isn't one or has none."""

    status: int
    code: str
    message: str
    body: bytes

    def __str__(self) -> str:
        return f"{self.status} {self.code}: {self.message[:300] or self.body[:300]!r}"


class Wire:
    """One connection to a server, kept open."""

    def __init__(self, endpoint: str, access_key: str, secret: str) -> None:
        self._host = urlsplit(endpoint).netloc
        self._credentials = Credentials(access_key, secret)
        self._connection: http.client.HTTPConnection | None = None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def send(self, plan: Plan, raw: Raw) -> Answer:
        """Sign and send. A server that hangs or breaks off raises OSError."""
        headers = self.signed(plan.service.signing_name, raw)
        for attempt in (1, 2):
            if self._connection is None:
                self._connection = http.client.HTTPConnection(self._host, timeout=PATIENCE)
            try:
                self._connection.request(raw.method, raw.path, raw.body, headers)
                response = self._connection.getresponse()
                body = response.read()
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                self.close()
                if attempt == 2:
                    raise
                continue
            if response.will_close:
                self.close()
            return answer(response.status, dict(response.getheaders()), body)
        raise AssertionError

    def signed(self, service: str, raw: Raw) -> dict[str, str]:
        """The headers of ``raw`` with a signature."""
        headers = {**raw.headers, "Host": self._host}
        if service == "s3":
            headers["X-Amz-Content-SHA256"] = hashlib.sha256(raw.body).hexdigest()
        request = AWSRequest(raw.method, f"http://{self._host}{raw.path}", headers, raw.body)
        signer = S3SigV4Auth if service == "s3" else SigV4Auth
        signer(self._credentials, service, REGION).add_auth(request)
        return dict(request.headers.items())

    def plainly(self, data: bytes) -> bytes:
        """Send ``data`` as it is on a connection of its own; the first of what comes back."""
        host, _, port = self._host.partition(":")
        with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
            connection.sendall(data)
            with contextlib.suppress(OSError):  # it may have been closed in disgust already
                connection.shutdown(socket.SHUT_WR)
            return connection.recv(65536)


def answer(status: int, headers: dict[str, str], body: bytes) -> Answer:
    """A body that is not what its type says leaves code and message empty."""
    if status < 300 or not body:
        return Answer(status, "", "", body)
    kind = _header(headers, "content-type")
    texts: dict[str, Any] = {}
    try:
        if "json" in kind:
            texts = json.loads(body)
        elif "cbor" in kind:
            texts = cbor.decode(body)
        elif "xml" in kind:
            root = ElementTree.fromstring(body)
            texts = {element.tag.rpartition("}")[2]: element.text or "" for element in root.iter()}
    except (ValueError, ElementTree.ParseError, cbor.MalformedError):
        return Answer(status, "", "", body)
    code = texts.get("__type") or texts.get("Code") or _header(headers, "x-amzn-errortype")
    return Answer(status, code, texts.get("message") or texts.get("Message") or "", body)


def _header(headers: dict[str, str], name: str) -> str:
    return next((value for key, value in headers.items() if key.lower() == name), "")


def spoken(plan: Plan) -> str:
    """The protocol in which botocore speaks to this operation's service."""
    return plan.service.protocols[0]


def request(plan: Plan, members: dict[str, Any]) -> Raw:
    """A request with these members, right or wrong."""
    protocol = spoken(plan)
    if protocol == "json":
        return with_body(plan, json.dumps(members, default=_blob_as_text).encode())
    if protocol == "smithy-rpc-v2-cbor":
        return with_body(plan, cbor.encode(members))
    if protocol == "query":
        fields = {"Action": plan.name, "Version": plan.service.version}
        fields.update(_flat(plan.input, members, ""))
        return with_body(plan, urlencode(fields).encode())
    made = create_serializer(protocol, include_validation=False).serialize_to_request(
        members, plan.service._model.operation_model(plan.name)
    )
    query = f"?{urlencode(made['query_string'])}" if made["query_string"] else ""
    body = made["body"].encode() if isinstance(made["body"], str) else made["body"]
    kept = body if isinstance(body, bytes) else b""
    return Raw(made["method"], made["url_path"] + query, dict(made["headers"]), kept)


def with_body(plan: Plan, body: bytes) -> Raw:
    """A request of one of the protocols that put everything in the body."""
    service, protocol = plan.service, spoken(plan)
    if protocol == "json":
        headers = {
            "Content-Type": f"application/x-amz-json-{service.json_version}",
            "X-Amz-Target": f"{service.target_prefix}.{plan.name}",
        }
        return Raw("POST", "/", headers, body)
    if protocol == "smithy-rpc-v2-cbor":
        headers = {"Content-Type": "application/cbor", "smithy-protocol": "rpc-v2-cbor", "Accept": "application/cbor"}
        return Raw("POST", f"/service/{service.target_prefix}/operation/{plan.name}", headers, body)
    return Raw("POST", "/", {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}, body)


def _blob_as_text(value: Any) -> str:
    assert isinstance(value, bytes)
    import base64

    return base64.b64encode(value).decode()


def _flat(shape: Any, value: Any, prefix: str) -> dict[str, str]:
    """The query protocol's fields. A value of the wrong type is written as text where its kind's should be."""
    kind = shape.type_name
    if kind == "structure" and isinstance(value, dict):
        fields: dict[str, str] = {}
        for name, item in value.items():
            member = shape.members[name]
            fields.update(_flat(member, item, f"{prefix}.{member.serialization.get('name', name)}".lstrip(".")))
        return fields
    if kind == "list" and isinstance(value, list):
        fields = {} if value else {prefix: ""}
        for number, item in enumerate(value, 1):
            fields.update(_flat(shape.member, item, f"{prefix}.member.{number}"))
        return fields
    if isinstance(value, dict):
        return {f"{prefix}.{key}": str(item) for key, item in value.items()}
    if isinstance(value, list):
        return {f"{prefix}.{number}": str(item) for number, item in enumerate(value, 1)}
    if isinstance(value, bool):
        return {prefix: str(value).lower()}
    return {prefix: value.decode() if isinstance(value, bytes) else str(value)}
