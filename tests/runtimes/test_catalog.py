from pathlib import Path

import pytest

from selfmaker.errors import NotFound
from selfmaker.runtimes.catalog import RUNTIMES, parse_image, runtime_for
from selfmaker.runtimes.sklearn import RELEASES as SKLEARN
from selfmaker.runtimes.xgboost import RELEASES as XGBOOST

ECR = "683313688378.dkr.ecr.us-east-1.amazonaws.com"


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        (f"{ECR}/sagemaker-scikit-learn:1.4-2-cpu-py3", "sklearn"),
        ("246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-scikit-learn:0.23-1-cpu-py3", "sklearn"),
        ("sagemaker-scikit-learn", "sklearn"),
        (f"{ECR}/sagemaker-xgboost:1.7-1", "xgboost"),
        ("811284229777.dkr.ecr.us-east-1.amazonaws.com/xgboost:1", "xgboost"),
    ],
)
def test_images_of_any_account_and_region_have_their_runtime(uri: str, name: str) -> None:
    assert runtime_for(uri).name == name


@pytest.mark.parametrize("uri", ["python:3.11", f"{ECR}/my-sagemaker-xgboost:1.7-1", "", "://", "a b"])
def test_another_image_is_not_found_and_the_message_says_what_there_is(uri: str) -> None:
    with pytest.raises(NotFound) as caught:
        runtime_for(uri)
    assert f"the image {uri}." in caught.value.message
    for known in ("sagemaker-scikit-learn", "1.4-2", "sagemaker-xgboost", "1.7-1", "requirements.txt"):
        assert known in caught.value.message


@pytest.mark.parametrize(
    ("uri", "python", "pinned"),
    [
        ("sagemaker-scikit-learn:1.4-2-cpu-py3", "3.10", "scikit-learn==1.4.2"),
        ("sagemaker-scikit-learn:1.2-1-cpu-py3", "3.9", "scikit-learn==1.2.1"),
        ("sagemaker-xgboost:1.7-1", "3.8", "xgboost==1.7.4"),
        ("sagemaker-xgboost:3.0-5", "3.10", "xgboost==3.0.5"),
        ("xgboost:1", "3.7", "xgboost==0.90"),
    ],
)
def test_requests_have_the_images_versions(uri: str, python: str, pinned: str) -> None:
    request = runtime_for(uri).environment(parse_image(uri))
    assert request.python == python
    assert pinned in request.requirements
    assert {"pip", "wheel"} <= set(request.requirements)


@pytest.mark.parametrize("tag", [release.version + suffix for release in SKLEARN for suffix in ("", "-cpu-py3")])
def test_a_known_release_needs_no_note(tag: str) -> None:
    uri = f"sagemaker-scikit-learn:{tag}"
    assert runtime_for(uri).environment(parse_image(uri)).notes == ()


@pytest.mark.parametrize("uri", ["sagemaker-scikit-learn:1.7-1-cpu-py3", "sagemaker-xgboost:2.1-1", "xgboost:latest"])
def test_an_unknown_release_has_a_note_that_names_its_tag(uri: str) -> None:
    (note,) = runtime_for(uri).environment(parse_image(uri)).notes
    assert parse_image(uri).tag in note


def test_names_are_safe_as_file_names_and_differ() -> None:
    uris = [f"sagemaker-scikit-learn:{r.version}" for r in SKLEARN] + [
        f"sagemaker-xgboost:{r.version}" for r in XGBOOST
    ]
    names = [runtime_for(uri).environment(parse_image(uri)).name for uri in uris]
    assert len(set(names)) == len(names)
    assert all("/" not in name and not name.startswith(".") for name in names)


def test_only_xgboost_has_an_algorithm_and_old_images_pickle_their_model() -> None:
    def argv(uri: str) -> tuple[str, ...]:
        command = runtime_for(uri).algorithm(parse_image(uri), Path("/env/bin/python"))
        return command.argv if command else ()

    assert argv("sagemaker-scikit-learn:1.4-2") == ()
    assert argv("sagemaker-xgboost:1.7-1")[0] == "/env/bin/python"
    assert argv("sagemaker-xgboost:1.7-1")[-1] == "xgboost"
    assert argv("sagemaker-xgboost:1.3-1-cpu-py3")[-1] == "xgboost"
    assert argv("sagemaker-xgboost:1.2-2-cpu-py3")[-1] == "pickle"
    assert argv("xgboost:1")[-1] == "pickle"


def test_every_runtime_describes_itself() -> None:
    assert all(runtime.description for runtime in RUNTIMES)


@pytest.mark.parametrize(
    ("repository", "words"),
    [
        ("sagemaker-spark-processing:3.3-cpu-py39-v1.2", "Spark"),
        ("mxnet-training:1.9.0-cpu-py38", "maintained"),
        ("huggingface-tensorflow-training:2.6.3-transformers4.17.0-gpu-py38", "PyTorch"),
        ("tensorflow-inference-eia:2.3.0-cpu", "Elastic Inference"),
    ],
)
def test_an_image_of_aws_that_is_not_here_is_refused_with_the_reason(repository: str, words: str) -> None:
    with pytest.raises(NotFound, match=words):
        runtime_for(f"{ECR}/{repository}")


@pytest.mark.parametrize("name", ["linear-learner:1", "forecasting-deepar:1", "pca:1", "semantic-segmentation:1"])
def test_the_closed_algorithms_are_refused_with_a_way_out(name: str) -> None:
    with pytest.raises(NotFound, match=r"closed programs.*a script in a framework's image"):
        runtime_for(f"382416733822.dkr.ecr.us-east-1.amazonaws.com/{name}")
