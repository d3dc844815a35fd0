"""Which function answers what: found at start, checked against the models."""

import sys
from types import ModuleType

import pytest

from selfmaker.aws.dispatch import BadOperationError, Registry, collect
from selfmaker.aws.operation import operation


def function(service, name, called, asynchronous=False):
    if asynchronous:

        async def answer(call, request):
            return None
    else:

        def answer(call, request):
            return None

    answer.__name__ = called
    return operation(service, name)(answer)


def test_a_good_one_is_found_where_it_was_written_and_nowhere_else():
    found = collect(["edge_packages.sagemaker"])
    assert {name for _, name in found.answers} == {"CreateTrainingJob", "DescribeTrainingJob", "DeleteModel"}
    assert found.answers["sagemaker", "DeleteModel"].on_loop
    assert not found.answers["sagemaker", "CreateTrainingJob"].on_loop
    assert found.names("sagemaker") == {"CreateTrainingJob", "DescribeTrainingJob", "DeleteModel"}


def test_an_imported_operation_is_not_found_twice():
    package = ModuleType("other.sagemaker")
    package.create_training_job = sys.modules["edge_packages.sagemaker"].create_training_job
    assert not collect([package]).answers


@pytest.mark.parametrize(
    ("service", "name", "called", "folder", "words"),
    [
        ("sagemaker", "CreateTrainingJobs", "create_training_jobs", "sagemaker", "has no operation"),
        ("sagemaker", "CreateTrainingJob", "create_job", "sagemaker", "is named create_training_job"),
        (
            "sagemaker-runtime",
            "InvokeEndpoint",
            "invoke_endpoint",
            "sagemaker",
            "belongs in the folder sagemaker_runtime",
        ),
    ],
)
def test_what_does_not_fit_the_model(service, name, called, folder, words):
    with pytest.raises(BadOperationError, match=words):
        Registry().add(function(service, name, called), folder)


def test_an_operation_has_one_answer():
    registry = Registry()
    registry.add(function("sagemaker", "DeleteModel", "delete_model"), "sagemaker")
    with pytest.raises(BadOperationError, match="answered twice"):
        registry.add(function("sagemaker", "DeleteModel", "delete_model", asynchronous=True), "sagemaker")
