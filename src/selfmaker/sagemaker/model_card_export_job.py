"""Export jobs of model cards: a version of a card, written as a PDF below the output path when the job is created."""

from typing import Any

from selfmaker import clock
from selfmaker.aws.errors import AwsError
from selfmaker.aws.listing import Usual, page
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.aws.output import describe
from selfmaker.errors import AlreadyExists, NotFound
from selfmaker.objects.protocol import Attributes
from selfmaker.objects.store import ObjectStore
from selfmaker.sagemaker import model_card
from selfmaker.sagemaker.checks import s3_location
from selfmaker.sagemaker.model_card import EXPORT_KIND as KIND
from selfmaker.sagemaker.model_card_content import content_of
from selfmaker.sagemaker.model_card_pdf import pdf
from selfmaker.store.resources import Resource, Resources

USUAL = Usual(created="CreatedAt", modified="LastModifiedAt")


@operation("sagemaker", "CreateModelCardExportJob")
def create_model_card_export_job(call: Call, request: Request) -> Output:
    """The job is Failed where the bucket of its output path is not there."""
    bucket, prefix = s3_location("OutputConfig.S3OutputPath", request["OutputConfig"]["S3OutputPath"])
    card = model_card.find(call, request["ModelCardName"])
    number: int = request.get("ModelCardVersion") or card.document["ModelCardVersion"]
    version = model_card.of_version(call, card, number)
    name, now = request["ModelCardExportJobName"], clock.now()
    arn = f"{card.arn}/export-job/{name}"
    if _exists(call, card, name):
        raise _conflict(arn)
    document: dict[str, Any] = {
        "ModelCardExportJobName": name,
        "ModelCardName": card.name,
        "ModelCardVersion": version.document["ModelCardVersion"],
        "OutputConfig": request["OutputConfig"],
    }
    key = "/".join(part for part in (prefix.strip("/"), name, f"{card.name}.pdf") if part)
    status = "Completed"
    try:
        data = _written(card, version)
        call.use(ObjectStore).put(bucket, key, data, Attributes(system={"ContentType": "application/pdf"}))
        document["ExportArtifacts"] = {"S3ExportArtifacts": f"s3://{bucket}/{key}"}
    except NotFound:
        status = "Failed"
        document["FailureReason"] = f"OutputConfig.S3OutputPath: the bucket {bucket} does not exist."
    try:
        row = Resource(KIND, call.region, f"{card.name}/{name}", arn, status, now, clock.now(), document, {})
        call.use(Resources).create(row)
    except AlreadyExists:
        raise _conflict(arn) from None
    return {"ModelCardExportJobArn": arn}


@operation("sagemaker", "DescribeModelCardExportJob")
def describe_model_card_export_job(call: Call, request: Request) -> Output:
    arn = request["ModelCardExportJobArn"]
    try:
        row = call.use(Resources).by_arn(arn)
    except NotFound:
        row = None
    if row is None or (row.kind, row.region) != (KIND, call.region):
        raise AwsError("ResourceNotFound", f"Model card export job {arn} does not exist.")
    return describe("sagemaker", "DescribeModelCardExportJob", _described(row))


@operation("sagemaker", "ListModelCardExportJobs")
def list_model_card_export_jobs(call: Call, request: Request) -> Output:
    card = model_card.find(call, request["ModelCardName"])
    rows = call.use(Resources).list(KIND, call.region)
    found = [_described(row) for row in rows if row.document["ModelCardName"] == card.name]
    if "ModelCardVersion" in request:
        found = [job for job in found if job["ModelCardVersion"] == request["ModelCardVersion"]]
    asked = dict(request)
    if "ModelCardExportJobNameContains" in request:
        asked["NameContains"] = request["ModelCardExportJobNameContains"]
    member = "ModelCardExportJobSummaries"
    listed = page(found, asked, member, name="ModelCardExportJobName", status="Status", usual=USUAL)
    return describe("sagemaker", "ListModelCardExportJobs", listed)


def _written(card: Resource, version: Resource) -> bytes:
    document = version.document
    facts = [
        ("Version", str(document["ModelCardVersion"])),
        ("Status", document["ModelCardStatus"]),
        ("Model card", card.arn),
        ("Created", clock.iso8601(version.created)),
        ("Last modified", clock.iso8601(version.modified)),
    ]
    return pdf(card.name, facts, content_of(document["Content"], "Content"))


def _described(row: Resource) -> dict[str, Any]:
    own = {"ModelCardExportJobArn": row.arn, "Status": row.status}
    return {**row.document, **own, "CreatedAt": row.created, "LastModifiedAt": row.modified}


def _exists(call: Call, card: Resource, name: str) -> bool:
    try:
        call.use(Resources).get(KIND, call.region, f"{card.name}/{name}")
    except NotFound:
        return False
    return True


def _conflict(arn: str) -> AwsError:
    return AwsError("ConflictException", f"Model card export job already exists: {arn}")
