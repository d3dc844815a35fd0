"""Interruptions of managed spot training, which AWS causes and its API doesn't: a route of our own."""

import json

from selfmaker.aws.dispatch import raw_route
from selfmaker.aws.errors import AwsError
from selfmaker.aws.http import HttpRequest, HttpResponse
from selfmaker.aws.operation import Call
from selfmaker.errors import Conflict, NotFound
from selfmaker.jobs.engine import Jobs
from selfmaker.sagemaker.job_status import not_found

TARGET = "SageMaker.SelfmakerInterruptTrainingJob"


def is_interruption(request: HttpRequest) -> bool:
    return request.headers.get("x-amz-target") == TARGET


@raw_route("sagemaker", "SelfmakerInterruptTrainingJob", is_interruption)
def interrupt_training_job(call: Call, http: HttpRequest) -> HttpResponse:
    """Interrupt the spot job that ``TrainingJobName`` names."""
    try:
        name = json.loads(http.body.read())["TrainingJobName"]
    except (ValueError, LookupError, TypeError):
        raise AwsError("ValidationException", "TrainingJobName is required.") from None
    if not call.access_key:
        raise AwsError("MissingAuthenticationTokenException", "Missing Authentication Token", 403)
    try:
        call.use(Jobs).interrupt("TrainingJob", call.region, str(name))
    except NotFound:
        raise not_found() from None
    except Conflict as error:
        raise AwsError("ValidationException", error.message) from None
    return HttpResponse(200, {"content-type": "application/x-amz-json-1.1"}, b"{}")
