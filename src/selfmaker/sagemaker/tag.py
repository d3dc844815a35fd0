"""Tags of any resource, by its ARN."""

from collections.abc import Iterable, Mapping

from selfmaker.aws.errors import AwsError
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.errors import NotFound
from selfmaker.store.jobs import JobTable
from selfmaker.store.resources import Resources
from selfmaker.store.tags import Tags

MOST_TAGS = 50


@operation("sagemaker", "AddTags")
def add_tags(call: Call, request: Request) -> Output:
    arn = _existing(call, request["ResourceArn"])
    values = tag_mapping(request["Tags"])
    if len(call.use(Tags).of(arn) | values) > MOST_TAGS:
        raise AwsError("ResourceLimitExceeded", f"A resource can have at most {MOST_TAGS} tags: {arn}")
    return {"Tags": tag_list(call.use(Tags).add(arn, values))}


@operation("sagemaker", "ListTags")
def list_tags(call: Call, request: Request) -> Output:
    arn = _existing(call, request["ResourceArn"])
    return {"Tags": tag_list(call.use(Tags).of(arn))}


@operation("sagemaker", "DeleteTags")
def delete_tags(call: Call, request: Request) -> Output:
    call.use(Tags).remove(_existing(call, request["ResourceArn"]), request["TagKeys"])
    return {}


def tag_mapping(tags: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """A request's Tags member as a mapping. Raises ValidationException for what AWS refuses."""
    values: dict[str, str] = {}
    for tag in tags:
        key = tag["Key"]
        if key in values:
            raise AwsError("ValidationException", f"Duplicate tag key: {key!r} is given more than once in Tags.")
        if key.lower().startswith("aws:"):
            raise AwsError("ValidationException", f"Tags: keys that start with 'aws:' are reserved: {key!r}")
        values[key] = tag["Value"]
    return values


def tag_list(values: Mapping[str, str]) -> list[dict[str, str]]:
    """A mapping as AWS's list of Key and Value."""
    return [{"Key": key, "Value": value} for key, value in values.items()]


def _existing(call: Call, arn: str) -> str:
    """The ARN, if it is a resource's; names in ARNs are lower-cased by some clients, ours are kept as given."""
    try:
        return call.use(JobTable).by_arn(arn).arn
    except NotFound:
        pass
    try:
        return call.use(Resources).by_arn(arn).arn
    except NotFound:
        raise AwsError("ValidationException", f"Could not find resource: ResourceArn {arn!r} does not exist.") from None
