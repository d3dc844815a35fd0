"""Lineage that is written by itself: which data, images and jobs a model comes from, and where it went.

The entities are those that AWS creates for jobs, model packages and endpoints ("Amazon SageMaker AI-Created Tracking
Entities" in the developer guide). Each function works within the transaction that stores what it records, and finds
what is there already: an artifact is one for one source.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from selfmaker import clock
from selfmaker.aws import arn as arns
from selfmaker.sagemaker import artifact, association, lineage_entity
from selfmaker.sagemaker.lineage_entity import ACTION, CONTEXT, Noun
from selfmaker.store import resources
from selfmaker.store.resources import Change, Document, Resource

CONTRIBUTED, PRODUCED, ASSOCIATED = "ContributedTo", "Produced", "AssociatedWith"
DATA, IMAGE, MODEL, CHECKPOINT = "DataSet", "Image", "Model", "Checkpoint"
GROUP, ENDPOINT, APPROVAL, DEPLOYMENT = "ModelGroup", "Endpoint", "Approval", "ModelDeployment"
LONGEST_NAME = 120
LONGEST_SOURCE = 2048


@dataclass(frozen=True)
class Record:
    """Where to write: a transaction, and the region and account of what is recorded."""

    connection: Connection
    region: str
    account: str

    @classmethod
    def beside(cls, connection: Connection, arn: str) -> "Record":
        """For entities in the region and account of that ARN."""
        parsed = arns.parse(arn)
        return cls(connection, parsed.region, parsed.account)

    def artifact(self, uri: str, kind: str) -> str | None:
        """The ARN of the artifact that ``uri`` is; None for no URI, and one that is too long to be a source."""
        if not 0 < len(uri) <= LONGEST_SOURCE:
            return None
        source: Document = {"SourceUri": uri}
        name = artifact.name_of(source)
        arn = arns.arn("sagemaker", self.region, self.account, f"artifact/{name}")
        if not self._is_there(artifact.KIND, name):
            now, document = clock.now(), {"Source": source, "ArtifactType": kind}
            row = Resource(artifact.KIND, self.region, name, arn, "Created", now, now, document, {})
            resources.create(self.connection, row)
        return arn

    def entity(self, noun: Noun, name: str, source: str, kind: str, **members: Any) -> str:
        """The ARN of a context or action that is made if need be. ``name``'s beginning is cut where it is too long."""
        name = name[-LONGEST_NAME:].lstrip("-_")
        arn = arns.arn("sagemaker", self.region, self.account, f"{noun.path}/{name}")
        if not self._is_there(noun.kind, name):
            document = {noun.name: name, "Source": {"SourceUri": source, "SourceType": "ARN"}, f"{noun.kind}Type": kind}
            row = lineage_entity.new(self.region, noun, arn, {**document, **members})
            resources.create(self.connection, row)
        return arn

    def associate(self, source: str | None, destination: str | None, kind: str) -> None:
        """Nothing happens where an end is missing, or the two are associated already."""
        if source is None or destination is None or source == destination:
            return
        row = association.new(self.region, source, destination, {"AssociationType": kind})
        if not self._is_there(association.KIND, row.name):
            resources.create(self.connection, row)

    def _is_there(self, kind: str, name: str) -> bool:
        return resources.exists(self.connection, kind, self.region, name)


def registered(connection: Connection, package: Resource, group: Resource | None) -> None:
    """A model package was created, in ``group`` if it is versioned."""
    record = Record.beside(connection, package.arn)
    own = record.artifact(package.arn, MODEL)
    for container in package.document.get("InferenceSpecification", {}).get("Containers", []):
        _contribute(record, container, own)
    for algorithm in package.document.get("SourceAlgorithmSpecification", {}).get("SourceAlgorithms", []):
        record.associate(record.artifact(algorithm.get("ModelDataUrl", ""), MODEL), own, CONTRIBUTED)
        record.associate(record.artifact(algorithm["AlgorithmName"], "Algorithm"), own, CONTRIBUTED)
    if group is None:
        return
    _approve(record, package, own)
    properties = {"ModelPackageGroupName": group.name}
    origin = package.document.get("MetadataProperties", {}).get("GeneratedBy", "")
    if ":pipeline/" in origin:
        properties["PipelineExecutionArn"] = origin
    name = f"{group.name}-{int(group.created)}-aws-model-group"
    context = record.entity(CONTEXT, name, group.arn, GROUP, Properties=properties)
    if len(properties) > 1:  # that of the newest version
        change = Change(document={"Properties": properties})
        resources.modify(connection, CONTEXT.kind, record.region, context.rpartition("/")[2], change)
    record.associate(own, context, ASSOCIATED)


def approved(connection: Connection, package: Resource) -> None:
    """The approval status of a version has changed."""
    record = Record.beside(connection, package.arn)
    _approve(record, package, record.artifact(package.arn, MODEL))


def deployed(connection: Connection, endpoint: Resource, config: str, models: list[Resource]) -> None:
    """An endpoint is created, or updated, with that configuration of those models."""
    record = Record.beside(connection, endpoint.arn)
    name = f"{endpoint.name}-{int(endpoint.created)}-aws-endpoint"
    context = record.entity(CONTEXT, name, endpoint.arn, ENDPOINT)
    stamp = f"{endpoint.name}-{int(clock.now() * 1000)}-aws-model-deployment"
    properties = {"EndpointConfigName": config}
    members = {"Status": "Completed", "Properties": properties}
    action = record.entity(ACTION, stamp, endpoint.arn, DEPLOYMENT, **members)
    for model in models:
        record.associate(record.artifact(model.arn, MODEL), action, CONTRIBUTED)
        for container in _containers(model):
            _contribute(record, container, action)
            package = container.get("ModelPackageName", "")
            if package.startswith("arn:"):
                record.associate(record.artifact(package, MODEL), action, CONTRIBUTED)
    record.associate(action, context, ASSOCIATED)


def _approve(record: Record, package: Resource, artifact_arn: str | None) -> None:
    status, version = package.document["ModelApprovalStatus"], package.document["ModelPackageVersion"]
    group = package.document["ModelPackageGroupName"]
    name = f"{group}-{version}-{status}-{int(clock.now() * 1000)}-aws-model-package"
    action = record.entity(
        ACTION, name, package.arn, APPROVAL, Status="Completed", Properties={"ModelApprovalStatus": status}
    )
    record.associate(action, artifact_arn, CONTRIBUTED)


def _contribute(record: Record, container: Mapping[str, Any], to: str | None) -> None:
    """A container's image and data."""
    record.associate(record.artifact(container.get("Image", ""), IMAGE), to, CONTRIBUTED)
    source = container.get("ModelDataSource", {}).get("S3DataSource", {})
    data = container.get("ModelDataUrl") or source.get("S3Uri", "")
    record.associate(record.artifact(data, MODEL), to, CONTRIBUTED)


def _containers(model: Resource) -> list[Mapping[str, Any]]:
    """As the request has them, and those that their packages stand for."""
    primary = [model.document["PrimaryContainer"]] if "PrimaryContainer" in model.document else []
    return [*primary, *model.document.get("Containers", []), *model.state.get("Containers", [])]
