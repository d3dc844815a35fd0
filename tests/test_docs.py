"""The documentation says what there is."""

import re
from pathlib import Path

import pytest

from selfmaker.aws import inventory
from selfmaker.aws.dispatch import collect
from selfmaker.cli.main import COMMANDS
from selfmaker.settings import SETTINGS
from selfmaker.wiring import SERVICE_PACKAGES

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]
)


def test_the_readme_names_every_answered_service() -> None:
    works = (ROOT / "README.md").read_text().partition("## What works today")[2].partition("\n## ")[0]
    for service in inventory.by_service(collect(SERVICE_PACKAGES)):
        assert f"`{service}`" in works, service


def test_every_command_has_its_place_in_the_page() -> None:
    page = (ROOT / "docs" / "cli.md").read_text()
    for name in COMMANDS:
        assert f"selfmaker {name}" in page, name


def test_every_setting_has_its_row() -> None:
    page = (ROOT / "docs" / "settings.md").read_text()
    assert all(f"`{setting.variable}`" in page for setting in SETTINGS)


def test_the_index_names_every_page() -> None:
    index = (ROOT / "docs" / "README.md").read_text()
    for page in (ROOT / "docs").glob("*.md"):
        assert page.name == "README.md" or f"({page.name})" in index, page.name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        assert "://" in target or (page.parent / target).exists(), target


def test_make_targets_of_the_readme_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"\bmake ([a-z][a-z0-9-]*)", (ROOT / "README.md").read_text()):
        assert re.search(rf"^([a-z0-9 -]*\b)?{target}\b[a-z0-9 -]*:", makefile, re.MULTILINE), target
