"""A pipeline's row, by its name or its ARN."""

from contextlib import suppress

from selfmaker.aws.arn import sagemaker_arn
from selfmaker.aws.errors import AwsError
from selfmaker.aws.operation import Call
from selfmaker.errors import NotFound
from selfmaker.store.resources import Resource, Resources

KIND = "Pipeline"


def find(call: Call, name_or_arn: str) -> Resource:
    """The pipeline of that name or ARN (clients write ARNs in lower case at times), or AWS's error."""
    table = call.use(Resources)
    if not name_or_arn.startswith("arn:"):
        try:
            return table.get(KIND, call.region, name_or_arn)
        except NotFound:
            raise not_found(call, name_or_arn) from None
    name = name_or_arn.rpartition("/")[2]
    rows = []
    with suppress(NotFound):
        rows.append(table.get(KIND, call.region, name))
    found = next((row for row in rows or table.list(KIND, call.region) if row.arn.lower() == name_or_arn.lower()), None)
    if found is None:
        raise AwsError("ResourceNotFound", f"Pipeline '{name_or_arn}' does not exist.")
    return found


def not_found(call: Call, name: str) -> AwsError:
    return AwsError("ResourceNotFound", f"Pipeline '{sagemaker_arn(call, 'pipeline', name)}' does not exist.")
