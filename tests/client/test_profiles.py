"""The user's profiles as clients see them under selfmaker."""

import dataclasses
import stat
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from selfmaker.client.environment import Connection
from selfmaker.client.profiles import read_profiles, render, write_profiles

CONNECTION = Connection("http://127.0.0.1:4600", "AKIAOURS", "s3cret", "us-east-1", "123456789012")
CONFIG = """
[default]
region = eu-west-1
output = table
endpoint_url = https://elsewhere.example
s3 =
    addressing_style = virtual
    max_concurrent_requests = 3
[profile ml]
sso_session = corp
sso_account_id = 1
ignore_configured_endpoint_urls = true
credential_process = /bin/false
[profile "two words"]
region = ap-south-1
role_arn = arn:aws:iam::1:role/r
source_profile = default
services = other
[sso-session corp]
sso_start_url = https://sso.example
[services other]
s3 =
    endpoint_url = https://s3.example
"""
CREDENTIALS = """
[default]
aws_access_key_id = THEIRS
aws_secret_access_key = theirs
aws_session_token = theirs
[only-keys]
aws_access_key_id = THEIRS2
aws_secret_access_key = theirs
region = us-west-1
"""


@pytest.fixture
def user(tmp_path: Path) -> dict[str, str]:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text(CONFIG)
    (tmp_path / ".aws" / "credentials").write_text(CREDENTIALS)
    return {"HOME": str(tmp_path)}


def client_of(profile: str, files: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AWS_CONFIG_FILE", files.config_file)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", files.credentials_file)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    return botocore.session.Session(profile=profile).create_client("s3")


@pytest.mark.parametrize(
    ("profile", "region"),
    [("default", "eu-west-1"), ("ml", "us-east-1"), ("two words", "ap-south-1"), ("only-keys", "us-west-1")],
)
def test_every_profile_leads_here(
    user: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, profile: str, region: str
) -> None:
    client = client_of(profile, write_profiles(tmp_path / "run", CONNECTION, user), monkeypatch)
    assert client.meta.endpoint_url == "http://127.0.0.1:4600"
    assert client.meta.region_name == region
    assert client._get_credentials().access_key == "AKIAOURS"


def test_manners_are_kept_and_addresses_are_not(user: dict[str, str]) -> None:
    default = read_profiles(user)["default"]
    assert default == {"region": "eu-west-1", "output": "table", "s3": "\n  max_concurrent_requests = 3"}


def test_region_is_that_of_the_profile_in_force(user: dict[str, str], tmp_path: Path) -> None:
    assert write_profiles(tmp_path / "run", CONNECTION, user).region == "eu-west-1"
    assert write_profiles(tmp_path / "run", CONNECTION, {**user, "AWS_PROFILE": "two words"}).region == "ap-south-1"
    assert write_profiles(tmp_path / "run", CONNECTION, {**user, "AWS_PROFILE": "ml"}).region is None


def test_without_files_there_is_a_default_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = write_profiles(tmp_path / "run", CONNECTION, {"HOME": str(tmp_path / "nobody")})
    assert files.names == {"default"}
    assert client_of("default", files, monkeypatch).meta.endpoint_url == "http://127.0.0.1:4600"


def test_the_users_variables_say_where_the_files_are(user: dict[str, str], tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("[profile elsewhere]\nregion = sa-east-1\n")
    names = read_profiles({**user, "AWS_CONFIG_FILE": str(other)})
    assert names["elsewhere"] == {"region": "sa-east-1"}
    assert "ml" not in names


def test_a_broken_file_is_an_empty_one(user: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / ".aws" / "config").write_text("region without a section = 1\n[")
    assert set(read_profiles(user)) == {"default", "only-keys"}


def test_files_are_private_and_in_one_place(user: dict[str, str], tmp_path: Path) -> None:
    first = write_profiles(tmp_path / "run", CONNECTION, user)
    assert stat.S_IMODE(Path(first.credentials_file).stat().st_mode) == 0o600
    assert write_profiles(tmp_path / "run", CONNECTION, user) == first
    moved = dataclasses.replace(CONNECTION, endpoint_url="http://127.0.0.1:4601")
    assert write_profiles(tmp_path / "run", moved, user) == first
    assert "4601" in Path(first.config_file).read_text()
    assert len(list((tmp_path / "run").rglob("*"))) == 3


def test_nothing_of_the_users_secrets_is_copied(user: dict[str, str]) -> None:
    text = "".join(render(read_profiles(user), CONNECTION)).lower()
    assert "theirs" not in text
    assert "sso" not in text
