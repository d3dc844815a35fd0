from pathlib import Path

import pytest

from selfmaker import settings
from selfmaker.errors import Invalid

PAGE = Path(__file__).parent.parent / "docs" / "settings.md"


def test_the_page_is_current() -> None:
    assert PAGE.read_text() == settings.markdown(), "run: python -m selfmaker.settings > docs/settings.md"


def test_the_command_line_wins_over_the_environment_over_the_default(tmp_path: Path) -> None:
    environment = {"SELFMAKER_PORT": "5000", "SELFMAKER_REGION": "eu-west-1", "SELFMAKER_HOME": str(tmp_path)}
    found = settings.load({"port": "6000"}, environment)
    assert (found.port, found.region, found.host) == (6000, "eu-west-1", "127.0.0.1")
    assert found.home == tmp_path
    assert found.environments == tmp_path / "environments"
    assert found.slots >= 1


def test_home_is_the_user_data_folder() -> None:
    assert settings.load({}, {"XDG_DATA_HOME": "/data"}).home == Path("/data/selfmaker")


@pytest.mark.parametrize(
    ("name", "value"),
    [("port", "many"), ("port", "-1"), ("account", "12"), ("sandbox", "none"), ("verify_signatures", "perhaps")],
)
def test_a_bad_value_is_told_by_name(name: str, value: str) -> None:
    with pytest.raises(Invalid, match=name):
        settings.load({name: value}, {})
