"""ARNs, made and taken apart."""

import pytest

from selfmaker.aws.arn import arn, parse
from selfmaker.errors import Invalid


@pytest.mark.parametrize(
    ("region", "start"),
    [
        ("us-east-1", "arn:aws:"),
        ("cn-north-1", "arn:aws-cn:"),
        ("us-gov-west-1", "arn:aws-us-gov:"),
        ("eu-west-3", "arn:aws:"),
    ],
)
def test_partition(region, start):
    assert arn("sagemaker", region, "1", "model/m") == f"{start}sagemaker:{region}:1:model/m"


def test_parse_is_the_inverse():
    text = "arn:aws:sagemaker:us-east-1:123456789012:training-job/a/b:c"
    parsed = parse(text)
    assert str(parsed) == text
    assert (parsed.kind, parsed.name, parsed.account) == ("training-job", "a/b:c", "123456789012")
    bucket = parse("arn:aws:s3:::bucket")
    assert (bucket.kind, bucket.name, bucket.region) == ("", "bucket", "")


@pytest.mark.parametrize("text", ["", "arn", "arn:aws:s3", "x:aws:s3:::b", "arn:aws:s3:::", "arn::s3:::b"])
def test_no_arn(text):
    with pytest.raises(Invalid):
        parse(text)
