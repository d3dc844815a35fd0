"""Declared images: what is kept, and what stands for which image."""

from pathlib import Path

import pytest

from selfmaker.errors import Invalid, NotFound
from selfmaker.runtimes import declaration
from selfmaker.runtimes.declared import DeclaredImages
from selfmaker.runtimes.images import parse_image


@pytest.fixture
def images(tmp_path: Path) -> DeclaredImages:
    return DeclaredImages(tmp_path / "images")


def written(folder: Path, text: str, **programs: str) -> Path:
    (folder / "program").mkdir(parents=True, exist_ok=True)
    (folder / "image.toml").write_text(text)
    for name, content in programs.items():
        (folder / "program" / name).write_text(content)
    return folder


def declare(images: DeclaredImages, folder: Path, name: str = "mine", **programs: str):
    text = f'name = "{name}"\npython = "3.11"\nprograms = "program"\n[environment]\nA = 1\n'
    return images.add(declaration.read(written(folder, text, **programs)))


def test_it_is_found_by_repository_and_tag_whatever_the_registry(images: DeclaredImages, tmp_path: Path):
    declare(images, tmp_path / "a", "team/mine:2", train="x")
    found = images.find(parse_image("1.dkr.ecr.eu-west-1.amazonaws.com/team/mine:2"))
    assert found is not None and found.matches(parse_image("team/mine:2"))
    for other in ("team/mine", "team/mine:3", "mine:2", "team_mine:2"):
        assert images.find(parse_image(other)) is None
    declare(images, tmp_path / "b", "plain", train="x")
    for same in ("plain", "plain:latest", "localhost:5000/plain"):
        assert images.find(parse_image(same)) is not None


def test_its_programs_are_a_copy_that_stays(images: DeclaredImages, tmp_path: Path):
    """A declaration anew has another folder: what runs the old one goes on with it."""
    first = declare(images, tmp_path / "a", train="one", serve="s")
    kept = Path(first.programs)
    (tmp_path / "a" / "program" / "train").write_text("two")
    assert (kept / "train").read_text() == "one" and (kept / "train").stat().st_mode & 0o111
    second = declare(images, tmp_path / "a")
    assert second.programs != first.programs and (kept / "train").read_text() == "one"
    assert declare(images, tmp_path / "c", "other", train="two", serve="s").programs == second.programs
    assert [f"{image.repository}:{image.tag}" for image in images.all()] == ["mine:latest", "other:latest"]


def test_what_it_asks_for(images: DeclaredImages, tmp_path: Path):
    declared = declare(images, tmp_path, train="x")
    request = declared.environment(parse_image("mine"))
    assert request.python == "3.11" and request.programs is not None
    assert (request.programs.directory, request.programs.variables) == ("/opt/program", {"A": "1"})
    command = declared.algorithm(parse_image("mine"), Path("python"))
    assert command is not None and command.argv == ("/opt/program/train",)
    mute = declare(images, tmp_path / "mute", "mute", serve="x")
    assert mute.algorithm(parse_image("mute"), Path("python")) is None


def test_requirements_of_a_file(tmp_path: Path):
    folder = written(tmp_path, 'name = "x"\npython = "3.11"\nrequirements = "r.txt"\n')
    (folder / "r.txt").write_text("# first\nnumpy==2.0  # why\n\npandas\n")
    assert declaration.read(folder).requirements == ("numpy==2.0", "pandas")


def test_removal(images: DeclaredImages, tmp_path: Path):
    declare(images, tmp_path)
    images.remove("1.dkr.ecr.eu-west-1.amazonaws.com/mine:latest")
    assert images.all() == []
    with pytest.raises(NotFound, match="mine"):
        images.remove("mine")


def test_a_wrong_declaration_changes_nothing(images: DeclaredImages, tmp_path: Path):
    declare(images, tmp_path / "a", train="x")
    with pytest.raises(Invalid, match="environment"):
        declaration.read(written(tmp_path / "b", 'name = "mine"\npython = "3.11"\nenvironment = 1\n'))
    assert len(images.all()) == 1
