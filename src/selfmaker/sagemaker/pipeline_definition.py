"""A definition held against the rules before it is stored, with AWS's models to say what properties there are."""

from selfmaker.errors import Invalid
from selfmaker.sagemaker.checks import invalid
from selfmaker.sagemaker.pipeline_shapes import ModelShapes
from selfmaker.workflow import lint
from selfmaker.workflow.definition import parse


def check_definition(text: str) -> None:
    """Raises ValidationException, naming step and path."""
    try:
        lint.check(parse(text), ModelShapes())
    except Invalid as error:
        raise invalid(error.message) from None
