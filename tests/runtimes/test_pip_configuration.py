from pathlib import Path

import pytest

from selfmaker.runtimes.pip_configuration import settings, sources


@pytest.fixture
def user(tmp_path: Path) -> dict[str, str]:
    """An environment whose only configuration file is the user's."""
    nowhere = str(tmp_path / "xdg")
    return {"HOME": str(tmp_path), "XDG_CONFIG_DIRS": nowhere, "XDG_CONFIG_HOME": str(tmp_path / ".config")}


def write(user: dict[str, str], text: str, place: str = ".config/pip/pip.conf") -> Path:
    path = Path(user["HOME"], place)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def told(user: dict[str, str]) -> dict[str, str]:
    """The settings without those of this machine's /etc/pip.conf."""
    nowhere = ("HOME", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS")
    machine = settings(dict.fromkeys(nowhere, "/nonexistent"))
    return {name: value for name, value in settings(user).items() if machine.get(name) != value}


def test_the_index_and_further_indexes_are_given_to_uv(user: dict[str, str]) -> None:
    write(
        user,
        "[global]\nindex-url = https://mirror.example/simple\nextra-index-url =\n  https://a.example/x\n  https://b.example/y\n",
    )
    arguments = sources(user).arguments
    assert arguments[arguments.index("--default-index") + 1] == "https://mirror.example/simple"
    given = [arguments[i + 1] for i, argument in enumerate(arguments) if argument == "--index"]
    assert given == ["https://a.example/x", "https://b.example/y"]


def test_the_install_section_and_later_files_and_variables_override(user: dict[str, str]) -> None:
    write(user, "[global]\nindex-url = https://first.example\n", ".pip/pip.conf")
    assert told(user)["index-url"] == "https://first.example"
    write(user, "[install]\nindex_url = https://second.example\n")
    assert told(user)["index-url"] == "https://second.example"
    own = write(user, "[global]\nindex-url = https://third.example\n", "own.conf")
    user["PIP_CONFIG_FILE"] = str(own)
    assert told(user)["index-url"] == "https://third.example"
    user["PIP_INDEX_URL"] = "https://fourth.example"
    assert told(user)["index-url"] == "https://fourth.example"


def test_no_file_is_read_when_pip_is_told_so(user: dict[str, str]) -> None:
    write(user, "[global]\nindex-url = https://mirror.example/simple\n")
    assert settings({**user, "PIP_CONFIG_FILE": "/dev/null"}) == {"config-file": "/dev/null"}


def test_local_places_that_are_not_there_are_passed_over(user: dict[str, str], tmp_path: Path) -> None:
    there = tmp_path / "some wheels"
    there.mkdir()
    user["PIP_CONFIG_FILE"] = "/dev/null"
    user["PIP_FIND_LINKS"] = f"/nonexistent/wheels {there.as_uri()} https://links.example/"
    user["PIP_EXTRA_INDEX_URL"] = "file:///nonexistent/simple"
    found = sources(user)
    assert found.links == ("--find-links", there.as_uri(), "--find-links", "https://links.example/")
    assert found.indexes == ()


def test_what_uv_is_told_itself_goes_first(user: dict[str, str], tmp_path: Path) -> None:
    user.update(
        PIP_CONFIG_FILE="/dev/null", PIP_INDEX_URL="https://mirror.example/simple", PIP_FIND_LINKS=str(tmp_path)
    )
    assert sources({**user, "UV_INDEX_URL": "https://uv.example"}).indexes == ()
    assert sources({**user, "UV_FIND_LINKS": "/else"}).links == ()
    write(user, '[[index]]\nurl = "https://uv.example"\n', ".config/uv/uv.toml")
    assert sources(user).indexes == ()


def test_certificates_hosts_and_proxy_become_variables(user: dict[str, str], tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text("")
    user.update(PIP_CONFIG_FILE="/dev/null", PIP_CERT=str(bundle), PIP_TRUSTED_HOST="a b", PIP_PROXY="http://p:1")
    expected = {"SSL_CERT_FILE": str(bundle), "UV_INSECURE_HOST": "a b", "ALL_PROXY": "http://p:1"}
    assert sources(user).variables == expected
    assert "SSL_CERT_FILE" not in sources({**user, "SSL_CERT_FILE": "/mine"}).variables
    assert "SSL_CERT_FILE" not in sources({**user, "PIP_CERT": "/nonexistent.pem"}).variables


@pytest.mark.parametrize("content", ["index-url = x\n", "[global\n", "[global]\nindex-url = a\nindex-url = b\n"])
def test_a_file_that_is_no_configuration_is_passed_over(user: dict[str, str], content: str) -> None:
    write(user, content)
    assert told(user) == {}


def test_no_index_means_no_index(user: dict[str, str]) -> None:
    user.update(PIP_CONFIG_FILE="/dev/null", PIP_NO_INDEX="1")
    assert sources(user).indexes == ("--no-index",)
