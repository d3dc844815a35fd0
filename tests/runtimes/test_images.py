import pytest

from selfmaker.runtimes.images import Release, names, nearest, parse_image

RELEASES = tuple(Release(version, "3.10", ()) for version in ("0.90-1", "0.90-2", "1.0-1", "1.2-1", "1.2-2", "3.0-5"))


@pytest.mark.parametrize(
    ("uri", "repository", "tag"),
    [
        ("683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1", "sagemaker-xgboost", "1.7-1"),
        ("390948362332.dkr.ecr.cn-north-1.amazonaws.com.cn/sagemaker-xgboost:1.7-1", "sagemaker-xgboost", "1.7-1"),
        ("localhost:5000/team/image:v1", "team/image", "v1"),
        ("localhost/image", "image", ""),
        ("python:3.11", "python", "3.11"),
        ("team/image", "team/image", ""),
        ("host.example/image@sha256:0123", "image", ""),
        ("host.example/image:1.0@sha256:0123", "image", "1.0"),
        ("156813124566.dkr.ecr.us-east-1.amazonaws.com/sagemaker-model-monitor-analyzer",
         "sagemaker-model-monitor-analyzer", ""),
        ("", "", ""),
    ],
)  # fmt: skip
def test_uris_are_taken_apart(uri: str, repository: str, tag: str) -> None:
    image = parse_image(uri)
    assert (image.uri, image.repository, image.tag) == (uri, repository, tag)


@pytest.mark.parametrize(
    ("tag", "version"),
    [
        ("1.2-1", "1.2-1"),
        ("1.2-1-cpu-py3", "1.2-1"),
        ("1.2", "1.2-2"),
        ("1.2.0", "1.2-2"),
        ("1.0-1", "1.0-1"),
        ("1.5-1", "1.2-2"),
        ("0.90-2-gpu-py3", "0.90-2"),
        ("0.72", "0.90-1"),
        ("9.9-9", "3.0-5"),
        ("latest", "3.0-5"),
        ("", "3.0-5"),
        ("1.2-cpu-py3", "1.2-2"),
    ],
)
def test_a_tag_means_its_release_or_the_newest_before_it(tag: str, version: str) -> None:
    assert nearest(RELEASES, tag).version == version


def test_only_the_very_release_is_named() -> None:
    release = Release("1.2-1", "3.10", ())
    assert [tag for tag in ("1.2-1", "1.2-1-cpu-py3", "1.2", "1.2-2", "1.3-1", "latest") if names(release, tag)] == [
        "1.2-1",
        "1.2-1-cpu-py3",
        "1.2",
    ]
