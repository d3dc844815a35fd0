"""Who the caller is: the session that a key was made for, else the role that selfmaker gives to everybody."""

import asyncio

from selfmaker.aws.errors import AwsError
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.sts import sessions
from selfmaker.sts.sessions import Identity


@operation("sts", "GetCallerIdentity")
async def get_caller_identity(call: Call, request: Request) -> Output:
    """Asked very often: answered on the event loop, without a look at the database but for temporary keys."""
    if sessions.is_temporary(call.access_key):
        who = await asyncio.to_thread(identity, call)
    else:
        who = sessions.everybody(call.account)
    return {"UserId": who.user_id, "Account": call.account, "Arn": who.arn}


def identity(call: Call) -> Identity:
    """Whom the call's key stands for."""
    return sessions.of(call, call.access_key) or sessions.everybody(call.account)


@operation("sts", "GetAccessKeyInfo")
def get_access_key_info(call: Call, request: Request) -> Output:
    key = request["AccessKeyId"]
    if not key.startswith(("AKIA", "ASIA")):
        raise AwsError("ValidationError", f"Invalid Access Key ID: {key}")
    return {"Account": call.account}
