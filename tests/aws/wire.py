"""Requests written by hand, for what no client sends."""

import hashlib
import http.client
import json
import socket
from typing import Any

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


def signed_headers(
    edge: Any, method: str, target: str, body: bytes, headers: dict[str, str], service: str
) -> dict[str, str]:
    """``headers`` with the signature that botocore makes."""
    from edge_runner import KEY, SECRET

    request = AWSRequest(method, edge.url + target, dict(headers), body)
    request.headers["Host"] = f"127.0.0.1:{edge.port}"
    signer = SigV4Auth(Credentials(KEY, SECRET), service, "eu-west-1")
    if service == "s3":
        signer = S3SigV4Auth(Credentials(KEY, SECRET), service, "eu-west-1")
        declared = headers.get("X-Amz-Content-SHA256") or hashlib.sha256(body).hexdigest()
        signer.payload = lambda _request: declared
    signer.add_auth(request)
    return dict(request.headers.items())


def send(
    edge: Any,
    method: str,
    target: str,
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    service: str | None = None,
) -> tuple[int, dict[str, str], bytes]:
    """One request, signed for ``service`` unless that is None: status, headers (lower-case names), body."""
    all_headers = dict(headers or {})
    if service is not None:
        all_headers = signed_headers(edge, method, target, body, all_headers, service)
    connection = http.client.HTTPConnection("127.0.0.1", edge.port, timeout=20)
    try:
        connection.request(method, target, body or None, all_headers)
        response = connection.getresponse()
        return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
    finally:
        connection.close()


def call_json(
    edge: Any, operation: str, body: bytes | dict[str, Any], prefix: str = "SageMaker"
) -> tuple[int, dict[str, Any]]:
    """A signed json 1.1 request: status and parsed answer."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"X-Amz-Target": f"{prefix}.{operation}", "Content-Type": "application/x-amz-json-1.1"}
    status, _, answer = send(edge, "POST", "/", raw, headers, "sagemaker")
    return status, json.loads(answer)


def raw(edge: Any, *pieces: bytes, half_close: bool = False) -> bytes:
    """Write ``pieces`` to a fresh connection and return all that comes until the server closes it."""
    with socket.create_connection(("127.0.0.1", edge.port), timeout=20) as sock:
        for piece in pieces:
            sock.sendall(piece)
        if half_close:
            sock.shutdown(socket.SHUT_WR)
        received = b""
        while data := sock.recv(65536):
            received += data
        return received
