"""What ``docker login`` needs."""

import base64
import hashlib
import hmac

from selfmaker import clock, ids
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.store.credentials import Credentials

_HOURS = 12


@operation("ecr", "GetAuthorizationToken")
def get_authorization_token(call: Call, request: Request) -> Output:
    expires = int(clock.now()) + _HOURS * 3600
    password = f"{call.access_key}:{expires}:{_proof(call, expires)}"
    token = base64.b64encode(f"AWS:{password}".encode()).decode()
    data = [
        {"authorizationToken": token, "expiresAt": float(expires), "proxyEndpoint": call.endpoint}
        for _ in request.get("registryIds") or [call.account]
    ]
    return {"authorizationData": data}


def _proof(call: Call, expires: int) -> str:
    """What only the holder of the caller's secret can make, without the secret in it: docker keeps it in a file."""
    secret = call.use(Credentials).secret(call.access_key) or ids.secret_access_key()
    return hmac.new(secret.encode(), f"ecr:{expires}".encode(), hashlib.sha256).hexdigest()
