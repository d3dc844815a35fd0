import pytest

from selfmaker.objects.uri import parse_s3_uri


@pytest.mark.parametrize(
    "uri",
    [
        "s3://my.bucket/a/b.csv",
        "S3://my.bucket/a/b.csv",
        "https://my.bucket.s3.amazonaws.com/a/b.csv",
        "https://my.bucket.s3-eu-west-1.amazonaws.com/a/b.csv",
        "https://my.bucket.s3.eu-west-1.amazonaws.com/a/b.csv",
        "https://my.bucket.s3.dualstack.eu-west-1.amazonaws.com/a/b.csv",
        "https://my.bucket.s3.cn-north-1.amazonaws.com.cn/a/b.csv",
        "https://s3.amazonaws.com/my.bucket/a/b.csv",
        "https://s3-eu-west-1.amazonaws.com/my.bucket/a/b.csv",
        "https://s3.eu-west-1.amazonaws.com/my.bucket/a/b.csv",
    ],
)
def test_an_object_is_named_by_its_uri_or_by_its_address(uri):
    assert parse_s3_uri(uri) == ("my.bucket", "a/b.csv")


@pytest.mark.parametrize(
    "text",
    ["", "bucket/key", "s3://", "s3:///key", "https://example.com/b/k", "https://s3.amazonaws.com/", "file:///k"],
)
def test_anything_else_is_refused(text):
    with pytest.raises(ValueError, match="not an S3 URI"):
        parse_s3_uri(text)
