"""Endpoints and models as Search shows them."""

from typing import Any

from selfmaker.aws.operation import Call
from selfmaker.sagemaker import endpoint, model
from selfmaker.sagemaker.search_filter import with_tag_paths
from selfmaker.sagemaker.tag import tag_list
from selfmaker.serving.spec import DeploymentSpec
from selfmaker.store.resources import Resource, Resources
from selfmaker.store.tags import Tags

Documents = list[dict[str, Any]]


def endpoints(call: Call) -> Documents:
    rows = call.use(Resources).list(endpoint.KIND, call.region)
    tags = call.use(Tags).of_all([row.arn for row in rows])
    return [with_tag_paths({**endpoint.described(call, row), "Tags": tag_list(tags.get(row.arn, {}))}) for row in rows]


def models(call: Call) -> Documents:
    """Each model with the endpoints that serve it."""
    rows = call.use(Resources).list(model.KIND, call.region)
    hosts = call.use(Resources).list(endpoint.KIND, call.region)
    tags = call.use(Tags).of_all([row.arn for row in rows])
    documents = []
    for row in rows:
        own = {
            **row.document,
            "ModelArn": row.arn,
            "CreationTime": row.created,
            "Tags": tag_list(tags.get(row.arn, {})),
        }
        served = [_endpoint(host) for host in hosts if _serves(host, row.name)]
        paths = {"ModelName": row.name, "CreationTime": row.created, "LastModifiedTime": row.modified}
        documents.append(with_tag_paths({**paths, "Tags": own["Tags"], "Model": own, "Endpoints": served}))
    return documents


def _serves(host: Resource, name: str) -> bool:
    serving = host.state.get("serving")
    variants = DeploymentSpec.from_json(serving).variants if serving else ()
    return any(container.name == name for variant in variants for container in variant.containers)


def _endpoint(host: Resource) -> dict[str, Any]:
    return {
        "EndpointName": host.name,
        "EndpointArn": host.arn,
        "CreationTime": host.created,
        "LastModifiedTime": host.modified,
        "EndpointStatus": host.status,
    }
