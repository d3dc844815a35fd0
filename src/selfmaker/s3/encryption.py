"""Server-side encryption headers: checked and given back as S3 does. Nothing is encrypted: use an encrypted disk.

An object that was sent with a key of the customer's is only given to those who send that key again.
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from typing import Any

from selfmaker.aws.errors import AwsError
from selfmaker.aws.operation import Call, Request
from selfmaker.s3.wording import access_denied, invalid_argument, invalid_request

_ALGORITHMS = ("AES256", "aws:kms", "aws:kms:dsse", "aws:fsx", "aws:backup")
_KMS = ("aws:kms", "aws:kms:dsse")
MEMBERS = (
    "ServerSideEncryption",
    "SSEKMSKeyId",
    "SSEKMSEncryptionContext",
    "BucketKeyEnabled",
    "SSECustomerAlgorithm",
    "SSECustomerKeyMD5",
)


def asked_for(call: Call, request: Request) -> dict[str, Any]:
    """The members to keep with an object that is written so. Raises AwsError."""
    algorithm, key = request.get("ServerSideEncryption"), request.get("SSEKMSKeyId")
    customer = customer_key(request)
    if algorithm is not None and algorithm not in _ALGORITHMS:
        raise invalid_argument(
            "The encryption method specified is not supported", "x-amz-server-side-encryption", algorithm
        )
    if algorithm is not None and customer:
        raise invalid_argument(
            "Server Side Encryption with Customer provided key is incompatible with the encryption method specified",
            "x-amz-server-side-encryption",
            algorithm,
        )
    if key is not None and algorithm not in _KMS:
        raise invalid_argument(
            "Server Side Encryption with KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms",
            "x-amz-server-side-encryption",
            algorithm,
        )
    members = {name: request[name] for name in MEMBERS if request.get(name) is not None and not name.startswith("SSEC")}
    if key is not None and not key.startswith("arn:"):
        kind = "" if key.startswith("alias/") else "key/"
        members["SSEKMSKeyId"] = f"arn:aws:kms:{call.region}:{call.account}:{kind}{key}"
    return {**members, **customer}


def customer_key(request: Request, prefix: str = "") -> dict[str, Any]:
    """The members to keep of a key that the customer sent along, checked; {} when there is none. Raises AwsError."""
    algorithm = request.get(f"{prefix}SSECustomerAlgorithm")
    key = request.get(f"{prefix}SSECustomerKey")
    md5 = request.get(f"{prefix}SSECustomerKeyMD5")
    if algorithm is None and key is None and md5 is None:
        return {}
    start = "Requests specifying Server Side Encryption with Customer provided keys must provide "
    if algorithm is None:
        raise invalid_argument(start + "a valid encryption algorithm.", "x-amz-server-side-encryption", "null")
    if algorithm != "AES256":
        message = "The Encryption request you specified is not valid. Supported value: AES256."
        raise AwsError("InvalidEncryptionAlgorithmError", message, 400, ArgumentName="x-amz-server-side-encryption")
    if key is None:
        raise invalid_argument(start + "an appropriate secret key.", "x-amz-server-side-encryption", "null")
    if md5 is None:
        raise invalid_argument(
            start + "the client calculated MD5 of the secret key.", "x-amz-server-side-encryption", "null"
        )
    try:
        secret = base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if len(secret) != 32:
        raise invalid_argument(
            "The secret key was invalid for the specified algorithm.", "x-amz-server-side-encryption", "null"
        )
    if base64.b64encode(hashlib.md5(secret, usedforsecurity=False).digest()).decode() != md5:
        message = "The calculated MD5 hash of the key did not match the hash that was provided."
        raise invalid_argument(message, "x-amz-server-side-encryption", "null")
    return {"SSECustomerAlgorithm": algorithm, "SSECustomerKeyMD5": md5}


def check_access(system: Mapping[str, Any], request: Request, prefix: str = "") -> None:
    """Raises AwsError unless the request brings the customer's key that the object was written with, if any."""
    stored = system.get("SSECustomerKeyMD5")
    given = customer_key(request, prefix)
    if stored is None:
        if given:
            raise invalid_request("The encryption parameters are not applicable to this object.")
    elif not given:
        raise invalid_request(
            "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to "
            "retrieve the object."
        )
    elif given["SSECustomerKeyMD5"] != stored:
        raise access_denied()


def echo(system: Mapping[str, Any]) -> dict[str, Any]:
    """The members that say how an object is encrypted."""
    return {name: system[name] for name in MEMBERS if name in system}
