"""Lambda's errors."""

from selfmaker.aws.errors import AwsError


def invalid(message: str) -> AwsError:
    return AwsError("InvalidParameterValueException", message, Type="User")


def missing(what: str) -> AwsError:
    """``what`` names the thing: ``Function not found: arn:...``."""
    return AwsError("ResourceNotFoundException", what, 404, Type="User")


def conflict(message: str) -> AwsError:
    return AwsError("ResourceConflictException", message, 409, Type="User")


def outdated() -> AwsError:
    return AwsError(
        "PreconditionFailedException",
        "The RevisionId provided does not match the latest RevisionId. Call the GetFunction/GetAlias API to retrieve "
        "the latest RevisionId",
        412,
        Type="User",
    )
