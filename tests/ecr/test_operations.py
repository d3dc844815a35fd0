"""Repositories, images that are not there, tags."""

import base64

from calls import error

from selfmaker.ecr import authorization_token, image, repository, tag

R = {"repositoryName": "team/mine"}
ARN = "arn:aws:ecr:eu-west-1:123456789012:repository/team/mine"


def make(call, name="team/mine", **more):
    return repository.create_repository(call, {"repositoryName": name, **more})["repository"]


def test_a_repository_comes_back_and_goes(call):
    made = make(call, imageTagMutability="IMMUTABLE")
    assert (made["repositoryArn"], made["imageTagMutability"]) == (ARN, "IMMUTABLE")
    assert made["repositoryUri"] == "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/mine"
    assert repository.describe_repositories(call, {"repositoryNames": ["team/mine"]})["repositories"] == [made]
    assert error(repository.create_repository, call, R)[0] == "RepositoryAlreadyExistsException"
    assert repository.delete_repository(call, R)["repository"] == made
    missing = (
        "RepositoryNotFoundException",
        "The repository with name 'team/mine' does not exist in the registry with id '123456789012'",
    )
    assert error(repository.delete_repository, call, R) == missing
    assert error(repository.describe_repositories, call, {"repositoryNames": ["team/mine"]}) == missing
    assert error(image.list_images, call, R) == missing


def test_another_registry_has_nothing(call):
    make(call)
    other = {"registryId": "999999999999"}
    assert error(repository.delete_repository, call, {**R, **other})[0] == "RepositoryNotFoundException"
    assert repository.describe_repositories(call, other)["repositories"] == []


def test_pages(call):
    for name in ("cc", "aa", "bb"):
        make(call, name)
    first = repository.describe_repositories(call, {"maxResults": 2})
    rest = repository.describe_repositories(call, {"maxResults": 2, "nextToken": first["nextToken"]})
    assert [r["repositoryName"] for r in first["repositories"] + rest["repositories"]] == ["aa", "bb", "cc"]
    assert rest["nextToken"] is None
    both = {"repositoryNames": ["aa"], "maxResults": 1}
    assert error(repository.describe_repositories, call, both)[0] == "InvalidParameterException"


def test_no_image_is_there(call):
    make(call)
    wanted = {**R, "imageIds": [{"imageTag": "latest"}]}
    assert image.list_images(call, R) == {"imageIds": []}
    assert image.describe_images(call, R) == {"imageDetails": []}
    assert error(image.describe_images, call, wanted)[0] == "ImageNotFoundException"
    assert image.batch_get_image(call, wanted)["failures"][0]["failureCode"] == "ImageNotFound"


def test_the_token_names_the_user_and_holds_no_secret(call):
    from selfmaker.store.credentials import Credentials

    call.use(Credentials).put("AKIATEST", "the secret", "x")
    [data] = authorization_token.get_authorization_token(call, {})["authorizationData"]
    user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
    assert (user, data["proxyEndpoint"]) == ("AWS", "http://127.0.0.1:4600")
    assert password.startswith("AKIATEST:")
    assert "the secret" not in password


def test_tags(call):
    make(call, tags=[{"Key": "a", "Value": "b"}])
    tag.tag_resource(call, {"resourceArn": ARN, "tags": [{"Key": "c", "Value": "d"}]})
    tag.untag_resource(call, {"resourceArn": ARN, "tagKeys": ["a"]})
    assert tag.list_tags_for_resource(call, {"resourceArn": ARN})["tags"] == [{"Key": "c", "Value": "d"}]
    assert error(tag.list_tags_for_resource, call, {"resourceArn": ARN + "x"})[0] == "RepositoryNotFoundException"
    assert error(tag.list_tags_for_resource, call, {"resourceArn": "x"})[0] == "InvalidParameterException"
    many = [{"Key": f"k{i}", "Value": ""} for i in range(50)]
    assert error(tag.tag_resource, call, {"resourceArn": ARN, "tags": many})[0] == "TooManyTagsException"
    repository.delete_repository(call, R)
    make(call)
    assert tag.list_tags_for_resource(call, {"resourceArn": ARN})["tags"] == []
