"""Glue's errors."""

from selfmaker.aws.errors import AwsError


def missing(what: str) -> AwsError:
    return AwsError("EntityNotFoundException", f"{what} not found.")


def invalid(message: str) -> AwsError:
    return AwsError("InvalidInputException", message)
