"""What a job sees of the places that the server's variables name."""

from pathlib import Path

from selfmaker.executors.protocol import Access
from selfmaker.jobs.named_places import mounts


def test_places_that_are_there_are_shown_once_and_read_only(tmp_path: Path) -> None:
    wheels, more, bundle = tmp_path / "wheels", tmp_path / "more", tmp_path / "ca.pem"
    wheels.mkdir()
    more.mkdir()
    bundle.write_text("")
    inherited = {
        "PIP_FIND_LINKS": f"{wheels} file://{more} https://example.com/wheels {tmp_path}/gone",
        "REQUESTS_CA_BUNDLE": str(bundle),
        "SSL_CERT_FILE": str(bundle),
        "PIP_INDEX_URL": str(tmp_path),
    }
    assert mounts(inherited) == [(path, str(path), Access.READ_ONLY) for path in (wheels, more, bundle)]


def test_what_every_sandbox_shows_and_what_none_may_is_left_out() -> None:
    assert mounts({"SSL_CERT_FILE": "/etc/hosts", "PIP_FIND_LINKS": "/proc / relative/folder"}) == []
    assert mounts({}) == []
