"""Users: there is one, who is whoever asks."""

from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.iam import entities
from selfmaker.iam.entities import REGION, ROLE
from selfmaker.iam.role import DEFAULT_ROLE
from selfmaker.store.resources import Resources

_NAME = "selfmaker"


@operation("iam", "GetUser")
def get_user(call: Call, request: Request) -> Output:
    name = request.get("UserName", _NAME)
    if name != _NAME:
        raise entities.no_such(f"The user with name {name} cannot be found.")
    known = [role.created for role in call.use(Resources).list(ROLE, REGION) if role.name == DEFAULT_ROLE]
    user = {
        "Path": "/",
        "UserName": name,
        "UserId": "AIDASELFMAKERUSER2345",
        "Arn": f"arn:aws:iam::{call.account}:user/{name}",
        "CreateDate": known[0] if known else 0.0,
    }
    return {"User": user}
