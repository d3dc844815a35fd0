"""Amazon Resource Names."""

from dataclasses import dataclass

from selfmaker.aws.operation import Call
from selfmaker.errors import Invalid

_PARTITIONS = (("cn-", "aws-cn"), ("us-gov-", "aws-us-gov"), ("us-iso-", "aws-iso"), ("us-isob-", "aws-iso-b"))


@dataclass(frozen=True)
class Arn:
    """An ARN taken apart. ``resource`` is all that follows the account: ``training-job/x``."""

    partition: str
    service: str
    region: str
    account: str
    resource: str

    @property
    def kind(self) -> str:
        """``training-job`` of ``training-job/x``; "" where the resource has no kind."""
        kind, slash, _ = self.resource.partition("/")
        return kind if slash else ""

    @property
    def name(self) -> str:
        """What follows the kind."""
        return self.resource.partition("/")[2] or self.resource

    def __str__(self) -> str:
        return f"arn:{self.partition}:{self.service}:{self.region}:{self.account}:{self.resource}"


def partition(region: str) -> str:
    """The partition that a region belongs to."""
    return next((name for prefix, name in _PARTITIONS if region.startswith(prefix)), "aws")


def arn(service: str, region: str, account: str, resource: str) -> str:
    """``arn:aws:SERVICE:REGION:ACCOUNT:RESOURCE``, in the region's partition."""
    return f"arn:{partition(region)}:{service}:{region}:{account}:{resource}"


def sagemaker_arn(call: Call, kind: str, name: str) -> str:
    """The ARN of a SageMaker resource in the call's account and region; ``kind`` as in ``training-job``."""
    return arn("sagemaker", call.region, call.account, f"{kind}/{name}")


def parse(text: str) -> Arn:
    """Raises Invalid when ``text`` is no ARN."""
    parts = text.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn" or not parts[1] or not parts[2] or not parts[5]:
        raise Invalid(f"{text[:256]!r} is not an ARN")
    return Arn(*parts[1:])
