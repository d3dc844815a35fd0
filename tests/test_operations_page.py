"""docs/operations.md says what is answered, no more and no less."""

from pathlib import Path

from selfmaker.aws import inventory
from selfmaker.aws.dispatch import collect
from selfmaker.wiring import SERVICE_PACKAGES

PAGE = Path(__file__).parent.parent / "docs" / "operations.md"


def test_the_page_is_current():
    current = inventory.markdown(collect(SERVICE_PACKAGES))
    assert PAGE.read_text() == current, "run: selfmaker operations --markdown > docs/operations.md"


def test_the_page_names_every_answered_operation():
    registry = collect(SERVICE_PACKAGES)
    services = inventory.by_service(registry)
    page = inventory.markdown(registry)
    assert sum(len(names) for names in services.values()) == len(registry.answers)
    for service, names in services.items():
        section = page.partition(f"\n## {service}\n")[2].partition("\n## ")[0]
        for name in names:
            assert f"`{name}`" in section
