"""A definition held against the rules before it is stored, with AWS's models to say what properties there are."""

from selfmaker.aws.operation import Call
from selfmaker.errors import Invalid
from selfmaker.sagemaker.checks import invalid
from selfmaker.workflow.definition import Definition, parse


def checked(call: Call, text: str) -> Definition:
    """Raises ValidationException, naming step and path."""
    try:
        return parse(text)
    except Invalid as error:
        raise invalid(error.message) from None
