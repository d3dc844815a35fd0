"""Records of feature groups."""

import base64
import binascii
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from selfmaker import clock
from selfmaker.aws.errors import AwsError
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.errors import Conflict, Invalid, NotFound
from selfmaker.features.group import Group, duration
from selfmaker.features.records import Records, Terms, shown
from selfmaker.sagemaker import feature_group
from selfmaker.store.feature_records import Record

_PAGE = 100


@operation("sagemaker-featurestore-runtime", "PutRecord")
def put_record(call: Call, request: Request) -> Output:
    """A record with the event time of the one that is there takes its place; an older one goes offline only."""
    with _in_aws_words():
        call.use(Records).put(_group(call, request), request["Record"], _terms(request))
    return None


@operation("sagemaker-featurestore-runtime", "UpdateRecord")
def update_record(call: Call, request: Request) -> Output:
    group, identifier = _group(call, request), request["RecordIdentifierValueAsString"]
    with _in_aws_words():
        call.use(Records).update(group, identifier, request["Features"], _terms(request))
    return None


@operation("sagemaker-featurestore-runtime", "GetRecord")
def get_record(call: Call, request: Request) -> Output:
    group = _group(call, request)
    with _in_aws_words():
        [record] = call.use(Records).get(group, request["RecordIdentifierValueAsString"])
        if record is None:
            return {}
        return _told(group, record, request.get("FeatureNames"), request)


@operation("sagemaker-featurestore-runtime", "BatchGetRecord")
def batch_get_record(call: Call, request: Request) -> Output:
    records, errors = [], []
    for wanted in request["Identifiers"]:
        name, identifiers = wanted["FeatureGroupName"], wanted["RecordIdentifiersValueAsString"]
        about = [{"FeatureGroupName": name, "RecordIdentifierValueAsString": identifier} for identifier in identifiers]
        try:
            group = _group(call, wanted)
            with _in_aws_words():
                found = call.use(Records).get(group, *identifiers)
                records += [
                    {**one, **_told(group, record, wanted.get("FeatureNames"), request)}
                    for one, record in zip(about, found, strict=True)
                    if record is not None
                ]
        except AwsError as error:
            errors += [{**one, "ErrorCode": error.code, "ErrorMessage": error.message} for one in about]
    return {"Records": records, "Errors": errors, "UnprocessedIdentifiers": []}


@operation("sagemaker-featurestore-runtime", "BatchWriteRecord")
def batch_write_record(call: Call, request: Request) -> Output:
    """Entries that fit are written, in one transaction; of the others it is told what is wrong."""
    errors = []
    good: list[tuple[Group, list[dict[str, Any]], Terms]] = []
    for entry in request["Entries"]:
        try:
            ttl = {"TtlDuration": request["TtlDuration"]} if "TtlDuration" in request else {}
            write = _group(call, entry), entry["Record"], _terms({**ttl, **entry})
            with _in_aws_words():
                call.use(Records).check(*write)
            good.append(write)
        except AwsError as error:
            errors.append({"Entry": entry, "ErrorCode": error.code, "ErrorMessage": error.message})
    with _in_aws_words():
        call.use(Records).put_many(good)
    return {"Errors": errors, "UnprocessedEntries": []}


@operation("sagemaker-featurestore-runtime", "DeleteRecord")
def delete_record(call: Call, request: Request) -> Output:
    mode = request.get("DeletionMode", "SoftDelete")
    with _in_aws_words():
        call.use(Records).delete(
            _group(call, request),
            request["RecordIdentifierValueAsString"],
            request["EventTime"],
            mode,
            _terms(request),
        )
    return None


@operation("sagemaker-featurestore-runtime", "ListRecords")
def list_records(call: Call, request: Request) -> Output:
    group, most = _group(call, request), request.get("MaxResults", _PAGE)
    after = _place(request["NextToken"]) if "NextToken" in request else ""
    with _in_aws_words():
        deleted = bool(request.get("IncludeSoftDeletedRecords"))
        found = call.use(Records).identifiers(group, after, most + 1, deleted)
    output: dict[str, Any] = {"RecordIdentifiers": found[:most]}
    if len(found) > most:
        output["NextToken"] = base64.urlsafe_b64encode(found[most - 1].encode()).decode()
    return output


def _group(call: Call, request: Mapping[str, Any]) -> Group:
    name = request["FeatureGroupName"].rpartition("/")[2]
    group = feature_group.engine_group(call, name)
    if group is None:
        message = f"Resource Not Found: Amazon SageMaker can't find a FeatureGroup with name {name}"
        raise AwsError("ResourceNotFound", message, 404)
    return group


def _terms(request: Mapping[str, Any]) -> Terms:
    stores = request.get("TargetStores")
    return Terms(tuple(stores) if stores is not None else None, duration(request.get("TtlDuration")))


def _told(group: Group, record: Record, names: list[str] | None, request: Request) -> dict[str, Any]:
    output: dict[str, Any] = {"Record": shown(group, record.values, names)}
    if request.get("ExpirationTimeResponse") == "Enabled" and record.expires is not None:
        output["ExpiresAt"] = clock.iso8601(record.expires)
    return {name: value for name, value in output.items() if value}


def _place(token: str) -> str:
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise AwsError("ValidationError", "Validation Error: The NextToken is not valid") from None


@contextmanager
def _in_aws_words() -> Iterator[None]:
    try:
        yield
    except Invalid as error:
        raise AwsError("ValidationError", f"Validation Error: {error.message}") from None
    except NotFound as error:
        raise AwsError("ResourceNotFound", f"Resource Not Found: {error.message}", 404) from None
    except Conflict as error:
        raise AwsError("ConflictException", error.message, 409) from None
