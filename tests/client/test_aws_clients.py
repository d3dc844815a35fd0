"""botocore and boto3, as they are, in processes that are hooked."""

from collections.abc import Callable
from typing import Any

Execute = Callable[..., str]
PREAMBLE = "import boto3, botocore.session\nfrom botocore.config import Config\n"


def url_of(execute: Execute, client: str, **variables: str) -> str:
    return execute(f"{PREAMBLE}print(({client}).meta.endpoint_url)", **variables)


def test_an_address_of_amazons_is_replaced(execute: Execute, recorder: Any) -> None:
    clients = (
        "boto3.client('sts', endpoint_url='https://sts.us-west-2.amazonaws.com')",
        "boto3.client('s3', endpoint_url='https://s3.cn-north-1.amazonaws.com.cn')",
        "boto3.client('s3', endpoint_url='https://s3.dualstack.us-west-2.api.aws')",
        "boto3.resource('s3', endpoint_url='https://s3.us-west-2.amazonaws.com').meta.client",
        "botocore.session.Session().create_client('sts', 'us-west-2', None, True, None, 'https://sts.amazonaws.com')",
        "boto3.client('sts')",
        "boto3.client('sts', config=Config(ignore_configured_endpoint_urls=True))",
        "boto3.client('s3', config=Config(s3={'use_accelerate_endpoint': True}, use_dualstack_endpoint=True))",
    )
    code = PREAMBLE + "".join(f"print(({client}).meta.endpoint_url)\n" for client in clients)
    assert execute(code).split("\n") == [recorder.endpoint] * len(clients)


def test_another_address_stays(execute: Execute) -> None:
    minio = "boto3.client('s3', endpoint_url='http://minio.example:9000')"
    assert url_of(execute, minio) == "http://minio.example:9000"
    lookalike = "boto3.client('s3', endpoint_url='http://amazonaws.com.example')"
    assert url_of(execute, lookalike) == "http://amazonaws.com.example"
    set_by_the_program = "http://mine.example"
    assert url_of(execute, "boto3.client('s3')", AWS_ENDPOINT_URL_S3=set_by_the_program) == set_by_the_program
    assert url_of(execute, "boto3.client('s3')", AWS_ENDPOINT_URL=set_by_the_program) == set_by_the_program


def test_the_call_arrives(execute: Execute, recorder: Any) -> None:
    code = "boto3.client('sts', endpoint_url='https://sts.us-west-2.amazonaws.com').get_caller_identity()['Account']"
    assert execute(f"{PREAMBLE}print({code})") == "123456789012"
    assert recorder.asked == ["GetCallerIdentity"]


def test_a_botocore_that_reads_no_endpoint_variable_is_led_here(execute: Execute, recorder: Any) -> None:
    assert url_of(execute, "boto3.client('sts')", AWS_ENDPOINT_URL="") == recorder.endpoint


def test_the_users_log_shows_nothing_that_it_would_not_show_on_aws(execute: Execute) -> None:
    code = f"import logging, sys; logging.basicConfig(level=logging.INFO, stream=sys.stdout)\n{PREAMBLE}"
    logged = execute(f"{code}boto3.client('s3')\nboto3.client('sts', endpoint_url='https://sts.amazonaws.com')")
    assert "endpoint" not in logged
    assert "Found credentials in environment variables" in logged


def test_wrong_arguments_fail_in_botocores_own_words(execute: Execute) -> None:
    code = (
        f"{PREAMBLE}\n"
        "try: botocore.session.Session().create_client('s3', colour='red')\n"
        "except TypeError as error: print(error)"
    )
    assert "create_client() got an unexpected keyword argument 'colour'" in execute(code)


def test_a_waiter_is_fast_and_keeps_its_error(execute: Execute, recorder: Any) -> None:
    statuses = ("InProgress", "InProgress", "Completed")
    recorder.answers["DescribeTrainingJob"] = [{"TrainingJobStatus": status} for status in statuses]
    wait = "boto3.client('sagemaker').get_waiter('training_job_completed_or_stopped').wait(TrainingJobName='j'{})"
    noted = "import time; naps = []; time.sleep = naps.append\n"
    assert execute(f"{noted}{PREAMBLE}{wait.format('')}; print(naps)") == "[0.05, 0.05]"
    assert recorder.asked == ["DescribeTrainingJob"] * 3
    recorder.answers["DescribeTrainingJob"] = [{"TrainingJobStatus": "InProgress"}]
    limits = ", WaiterConfig={'Delay': 1, 'MaxAttempts': 2}"
    code = (
        f"import time\n{PREAMBLE}from botocore.exceptions import WaiterError\nt = time.monotonic()\n"
        f"try: {wait.format(limits)}\nexcept WaiterError as error: print(error, time.monotonic() - t >= 1)"
    )
    assert execute(code) == "Waiter TrainingJobCompletedOrStopped failed: Max attempts exceeded True"
