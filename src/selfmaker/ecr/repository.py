"""Repositories."""

from typing import Any

from sqlalchemy import Connection

from selfmaker import clock
from selfmaker.aws.errors import AwsError
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.errors import NotFound
from selfmaker.store import resources, tags
from selfmaker.store.database import Database
from selfmaker.store.resources import Resource, Resources

KIND = "Repository"
_PAGE = 100
_STORED = ("imageTagMutability", "imageTagMutabilityExclusionFilters", "imageScanningConfiguration",
           "encryptionConfiguration")  # fmt: skip


def missing(call: Call, name: str) -> AwsError:
    return AwsError(
        "RepositoryNotFoundException",
        f"The repository with name '{name}' does not exist in the registry with id '{call.account}'",
    )


def existing(call: Call, request: Request) -> Resource:
    """The repository that a request names. Raises RepositoryNotFoundException, of another registry too."""
    name = request["repositoryName"]
    if request.get("registryId", call.account) != call.account:
        raise AwsError(
            "RepositoryNotFoundException",
            f"The repository with name '{name}' does not exist in the registry with id '{request['registryId']}'",
        )
    try:
        return call.use(Resources).get(KIND, call.region, name)
    except NotFound:
        raise missing(call, name) from None


@operation("ecr", "CreateRepository")
def create_repository(call: Call, request: Request) -> Output:
    name, now = request["repositoryName"], clock.now()
    arn = f"arn:aws:ecr:{call.region}:{call.account}:repository/{name}"
    document = {key: request[key] for key in _STORED if key in request}
    repository = Resource(KIND, call.region, name, arn, "Active", now, now, document, {})
    labels = {tag["Key"]: tag["Value"] for tag in request.get("tags", ())}

    def work(connection: Connection) -> None:
        try:
            resources.get(connection, KIND, call.region, name)
        except NotFound:
            resources.create(connection, repository)
            tags.add(connection, arn, labels)
            return
        raise AwsError(
            "RepositoryAlreadyExistsException",
            f"The repository with name '{name}' already exists in the registry with id '{call.account}'",
        )

    call.use(Database).write(work)
    return {"repository": described(call, repository)}


@operation("ecr", "DescribeRepositories")
def describe_repositories(call: Call, request: Request) -> Output:
    names = request.get("repositoryNames")
    if names is not None:
        if "nextToken" in request or "maxResults" in request:
            raise AwsError(
                "InvalidParameterException",
                "Invalid parameter at 'repositoryNames' failed to satisfy "
                "constraint: 'cannot be used together with nextToken or maxResults'",
            )
        found = [existing(call, {**request, "repositoryName": name}) for name in names]
        return {"repositories": [described(call, repository) for repository in found]}
    after, limit = request.get("nextToken", ""), request.get("maxResults", _PAGE)
    everything = sorted(call.use(Resources).list(KIND, call.region), key=lambda repository: repository.name)
    if request.get("registryId", call.account) != call.account:
        everything = []
    rest = [repository for repository in everything if repository.name > after]
    token = rest[limit - 1].name if len(rest) > limit else None
    return {"repositories": [described(call, repository) for repository in rest[:limit]], "nextToken": token}


@operation("ecr", "DeleteRepository")
def delete_repository(call: Call, request: Request) -> Output:
    repository = existing(call, request)

    def work(connection: Connection) -> None:
        try:
            resources.remove(connection, KIND, call.region, repository.name)
        except NotFound:
            raise missing(call, repository.name) from None
        tags.forget(connection, repository.arn)

    call.use(Database).write(work)
    return {"repository": described(call, repository)}


def described(call: Call, repository: Resource) -> dict[str, Any]:
    """A repository as ECR shows it."""
    defaults = {
        "imageTagMutability": "MUTABLE",
        "imageScanningConfiguration": {"scanOnPush": False},
        "encryptionConfiguration": {"encryptionType": "AES256"},
    }
    return {
        "repositoryArn": repository.arn,
        "registryId": call.account,
        "repositoryName": repository.name,
        "repositoryUri": f"{call.account}.dkr.ecr.{call.region}.amazonaws.com/{repository.name}",
        "createdAt": repository.created,
        **defaults,
        **repository.document,
    }
