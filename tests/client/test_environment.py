"""The variables that lead an AWS client to the server."""

from pathlib import Path

from selfmaker.client.environment import SITE, Change, Connection, Profiles, client_environment, job_environment

CONNECTION = Connection("http://127.0.0.1:4600", "AKIAOURS", "s3cret", "us-east-1", "123456789012")
PROFILES = Profiles("/h/config", "/h/credentials", frozenset({"default", "ml"}))
HOME = Path("/h")


def applied(environment: dict[str, str], profiles: Profiles = PROFILES) -> dict[str, str]:
    return client_environment(CONNECTION, environment, profiles, HOME).applied(environment)


def test_client_finds_endpoint_and_credentials() -> None:
    result = applied({})
    assert result["AWS_ENDPOINT_URL"] == result["SELFMAKER_ENDPOINT_URL"] == "http://127.0.0.1:4600"
    assert (result["AWS_ACCESS_KEY_ID"], result["AWS_SECRET_ACCESS_KEY"]) == ("AKIAOURS", "s3cret")
    assert (result["AWS_CONFIG_FILE"], result["AWS_SHARED_CREDENTIALS_FILE"]) == ("/h/config", "/h/credentials")
    assert result["AWS_EC2_METADATA_DISABLED"] == "true"
    assert result["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"] == "false"
    assert result["SELFMAKER_HOME"] == "/h"


def test_nothing_of_the_user_leads_elsewhere() -> None:
    result = applied(
        {
            "AWS_SESSION_TOKEN": "t",
            "AWS_ENDPOINT_URL_S3": "https://s3.example.com",
            "AWS_WEB_IDENTITY_TOKEN_FILE": "/token",
            "AWS_ROLE_ARN": "arn:aws:iam::1:role/r",
            "AWS_USE_FIPS_ENDPOINT": "true",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.2/",
            "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
            "AWS_ACCESS_KEY_ID": "theirs",
        }
    )
    names = {name for name in result if name.startswith("AWS_")}
    assert names == {
        "AWS_ENDPOINT_URL",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_DEFAULT_REGION",
        "AWS_REGION",
        "AWS_EC2_METADATA_DISABLED",
        "AWS_ALLOW_HTTP",
        "AWS_CONFIG_FILE",
        "AWS_SHARED_CREDENTIALS_FILE",
    }
    assert result["AWS_ACCESS_KEY_ID"] == "AKIAOURS"
    assert result["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"] == "false"


def test_everything_else_stays() -> None:
    mine = {"PATH": "/bin", "AWS_PAGER": "", "AWS_MAX_ATTEMPTS": "7", "LANG": "C"}
    assert applied(mine).items() >= mine.items()


def test_region_is_the_users_before_the_servers() -> None:
    profile = Profiles("/c", "/s", frozenset({"default"}), region="eu-west-1")
    assert applied({})["AWS_DEFAULT_REGION"] == "us-east-1"
    assert applied({}, profile)["AWS_DEFAULT_REGION"] == "eu-west-1"
    assert applied({"AWS_REGION": "eu-north-1"}, profile)["AWS_DEFAULT_REGION"] == "eu-north-1"
    result = applied({"AWS_REGION": "eu-north-1", "AWS_DEFAULT_REGION": "ap-south-1"}, profile)
    assert (result["AWS_DEFAULT_REGION"], result["AWS_REGION"]) == ("ap-south-1", "ap-south-1")


def test_a_profile_that_exists_stays_named_and_another_does_not() -> None:
    assert applied({"AWS_PROFILE": "ml"})["AWS_PROFILE"] == "ml"
    assert "AWS_PROFILE" not in applied({"AWS_PROFILE": "gone"})


def test_proxies_are_passed_by() -> None:
    result = applied({"no_proxy": "corp.example, 10.0.0.1"})
    assert result["NO_PROXY"] == result["no_proxy"] == "corp.example,10.0.0.1,127.0.0.1,localhost"
    lan = Connection("http://192.168.1.5:4600", "a", "b", "us-east-1", "123456789012")
    assert "192.168.1.5" in client_environment(lan, {}, PROFILES, HOME).set["NO_PROXY"].split(",")


def test_python_path_has_our_folder_once_and_first() -> None:
    once = applied({"PYTHONPATH": "/a:/b"})
    assert once["PYTHONPATH"] == f"{SITE}:/a:/b"
    assert applied(once) == once
    assert applied({"PYTHONPATH": ""})["PYTHONPATH"] == str(SITE)


def test_change_sets_then_removes() -> None:
    assert Change({"a": "1"}, ("b",)).applied({"a": "0", "b": "0", "c": "0"}) == {"a": "1", "c": "0"}


def test_a_jobs_own_variables_win_but_for_the_paths_to_us() -> None:
    own = {"AWS_DEFAULT_REGION": "eu-west-1", "PYTHONPATH": "/opt/ml/code", "NO_PROXY": "x", "EPOCHS": "3"}
    result = job_environment(CONNECTION, "/opt/selfmaker", own)
    assert result["AWS_DEFAULT_REGION"] == "eu-west-1"
    assert result["EPOCHS"] == "3"
    assert result["PYTHONPATH"] == "/opt/selfmaker:/opt/ml/code"
    assert result["NO_PROXY"] == "x,127.0.0.1,localhost"
    assert result["AWS_ENDPOINT_URL"] == CONNECTION.endpoint_url
    assert not {"AWS_CONFIG_FILE", "SELFMAKER_HOME"} & set(result)
