"""The engine's errors in CloudWatch Logs' words."""

from collections.abc import Iterator
from contextlib import contextmanager

from selfmaker.aws.errors import AwsError
from selfmaker.errors import AlreadyExists, Invalid, NotFound, Unavailable


@contextmanager
def in_aws_words() -> Iterator[None]:
    """Around calls of ``store.log_streams``, whose messages begin with the noun that is meant."""
    try:
        yield
    except NotFound as error:
        raise missing(_noun(error.message)) from None
    except AlreadyExists as error:
        message = f"The specified {_noun(error.message)} already exists"
        raise AwsError("ResourceAlreadyExistsException", message) from None
    except Invalid as error:
        raise invalid(error.message) from None
    except Unavailable as error:
        raise AwsError("ServiceUnavailableException", error.message, 503) from error


def missing(noun: str) -> AwsError:
    return AwsError("ResourceNotFoundException", f"The specified {noun} does not exist.")


def invalid(message: str) -> AwsError:
    return AwsError("InvalidParameterException", message)


def _noun(message: str) -> str:
    return "log stream" if message.startswith("log stream") else "log group"
