"""ECR as boto3 sees it."""

import uuid

import pytest


def test_repositories(server):
    ecr = server.client("ecr")
    name = f"boto3/{uuid.uuid4().hex}"
    made = ecr.create_repository(repositoryName=name)["repository"]
    pages = ecr.get_paginator("describe_repositories").paginate(PaginationConfig={"PageSize": 1})
    assert made in [repository for page in pages for repository in page["repositories"]]
    ecr.delete_repository(repositoryName=name, force=True)
    with pytest.raises(ecr.exceptions.RepositoryNotFoundException):
        ecr.describe_repositories(repositoryNames=[name])
    [data] = ecr.get_authorization_token()["authorizationData"]
    assert data["proxyEndpoint"] == server.endpoint
