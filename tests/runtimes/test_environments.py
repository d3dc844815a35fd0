import fcntl
import io
import json
import os
import subprocess
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from selfmaker.errors import Invalid, NotFound, Unavailable
from selfmaker.runtimes import environments as module
from selfmaker.runtimes.environments import MARKER, PACKAGES, Environments
from selfmaker.runtimes.sklearn import Sklearn

Requests = Callable[..., Any]
Run = Callable[..., str]
Write = Callable[..., Path]


def test_an_environment_has_what_was_asked_for(environments: Environments, request_for: Requests, run_in: Run) -> None:
    lines: list[str] = []
    environment = environments.build(request_for("alpha==1.0", "beta"), lines.append)
    assert environment.packages == {"alpha": "1.0", "beta": "1.5"}
    assert environment.notes == ()
    assert run_in(environment, "import alpha, sys; print(alpha.VERSION, sys.prefix)") == f"1.0 {environment.prefix}"
    assert any("tiny" in line for line in lines)
    for name in ("python", "python3"):
        assert (environment.prefix / "bin" / name).exists()
    assert subprocess.check_output([environment.prefix / "bin" / "alpha"], text=True) == "1.0\n"


def test_a_ready_environment_is_found_without_building(
    environments: Environments, request_for: Requests, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = environments.build(request_for("alpha==1.0"), print)
    for wheel in wheels.iterdir():
        wheel.unlink()
    monkeypatch.setenv("PATH", "/nonexistent")
    lines: list[str] = []
    assert Environments(environments.folder).build(request_for("alpha==1.0"), lines.append) == first
    assert lines == []


def test_other_requirements_make_another_environment(environments: Environments, request_for: Requests) -> None:
    one = environments.build(request_for("alpha==1.0"), print)
    two = environments.build(request_for("alpha==2.0"), print)
    assert one.prefix != two.prefix
    assert (one.packages, two.packages) == ({"alpha": "1.0"}, {"alpha": "2.0"})


def test_bytecode_is_compiled(environments: Environments, request_for: Requests) -> None:
    environment = environments.build(request_for("alpha==1.0"), print)
    assert list(environment.prefix.rglob("alpha/__pycache__/*.pyc"))
    assert list(environment.prefix.rglob("sagemaker_training/__pycache__/*.pyc"))


def test_the_interpreter_is_no_link_out_of_its_installation(environments: Environments, request_for: Requests) -> None:
    environment = environments.build(request_for("alpha==1.0"), print)
    target = (environment.prefix / "bin" / "python").readlink()
    assert not target.is_symlink()
    assert environment.base is None or target.is_relative_to(environment.base)


def test_a_version_that_is_not_there_is_the_nearest_after_it_and_a_note_says_so(
    environments: Environments, request_for: Requests, wheels: Path, write_wheel: Write
) -> None:
    write_wheel(wheels, "alpha", "3.0")
    environment = environments.build(request_for("alpha==1.1", "beta==1.5", "beta>=1"), print)
    assert environment.packages == {"alpha": "2.0", "beta": "1.5"}
    assert environment.notes == ("the image has alpha 1.1; here it is 2.0",)


def test_a_python_that_is_not_there_is_the_nearest_and_a_note_says_so(
    environments: Environments, request_for: Requests, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "never")
    monkeypatch.setenv("HOME", str(tmp_path))
    lines: list[str] = []
    environment = environments.build(request_for("alpha==1.0", python="3.19"), lines.append)
    assert any("the image has Python 3.19; here it is 3." in note for note in environment.notes)
    assert any("3.19" in line for line in lines)


def test_what_cannot_be_had_is_unavailable_with_the_installers_words_and_leaves_nothing(
    environments: Environments, request_for: Requests
) -> None:
    with pytest.raises(Unavailable, match="gamma"):
        environments.build(request_for("gamma==1.0"), print)
    assert [path for path in environments.folder.iterdir() if path.name not in (".locks", ".pythons")] == []


def test_dependencies_that_are_left_out(
    environments: Environments, request_for: Requests, wheels: Path, write_wheel: Write
) -> None:
    write_wheel(wheels, "delta", "1.0", needs=("beta", "huge-thing"))
    environment = environments.build(request_for("delta==1.0", without=("huge-thing",)), print)
    assert environment.packages == {"beta": "1.5", "delta": "1.0"}


def test_the_requests_own_notes_come_first(environments: Environments, request_for: Requests) -> None:
    assert environments.build(request_for("alpha==1.0", notes=("as near as can be",)), print).notes == (
        "as near as can be",
    )


def test_who_asks_while_another_builds_waits_and_gets_that_one(
    environments: Environments, request_for: Requests
) -> None:
    environments.build(request_for("alpha==1.0"), print)
    (path,) = [path for path in environments.folder.iterdir() if path.name.startswith("tiny")]
    aside = path.rename(environments.folder / "aside")
    waiting = threading.Event()
    lines: list[str] = []

    def log(line: str) -> None:
        lines.append(line)
        waiting.set()

    with (environments.folder / ".locks" / path.name).open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        got: list[Any] = []
        thread = threading.Thread(target=lambda: got.append(environments.build(request_for("alpha==1.0"), log)))
        thread.start()
        assert waiting.wait(30)
        aside.rename(path)
    thread.join(30)
    assert got[0].prefix == path
    assert len(lines) == 1 and "another job is building" in lines[0]


def test_two_at_once_build_once(environments: Environments, request_for: Requests) -> None:
    lines: list[str] = []
    threads = [
        threading.Thread(target=environments.build, args=(request_for("alpha==1.0"), lines.append)) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sum(line.startswith("Building") for line in lines) == 1


def test_what_a_killed_build_left_is_swept(environments: Environments, request_for: Requests) -> None:
    environments.build(request_for("alpha==1.0"), print)
    (path,) = [path for path in environments.folder.iterdir() if path.name.startswith("tiny")]
    left = environments.folder / f".making-{path.name}.0123"
    path.rename(left)
    (left / MARKER).unlink()
    assert environments.build(request_for("alpha==1.0"), print).packages == {"alpha": "1.0"}
    assert not left.exists()


@pytest.mark.parametrize("broken", ["interpreter", "marker"])
def test_a_broken_environment_is_built_anew(
    environments: Environments, request_for: Requests, broken: str, run_in: Run
) -> None:
    environment = environments.build(request_for("alpha==1.0"), print)
    if broken == "interpreter":
        environment.python.unlink()
        environment.python.symlink_to("/nonexistent/python")
    else:
        (environment.prefix / MARKER).write_text("{")
    assert run_in(environments.build(request_for("alpha==1.0"), print), "import alpha; print(alpha.VERSION)") == "1.0"


def test_stand_ins_come_after_real_packages(
    environments: Environments, request_for: Requests, wheels: Path, run_in: Run, write_wheel: Write
) -> None:
    plain = environments.build(request_for("alpha==1.0"), print)
    where = run_in(plain, "import sagemaker_training; print(sagemaker_training.__file__)")
    assert Path(where).is_relative_to(plain.prefix / "selfmaker")
    write_wheel(wheels, "sagemaker_training", "4.8")
    real = environments.build(request_for("sagemaker_training==4.8"), print)
    assert run_in(real, "import sagemaker_training; print(sagemaker_training.VERSION)") == "4.8"
    assert environments.package_path == PACKAGES


def test_stand_ins_are_told_apart_by_what_is_in_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two checkouts of one version share what is built, and a change of the same length is a change."""

    def signature_of(name: str, text: str) -> str:
        (tmp_path / name / "package").mkdir(parents=True)
        (tmp_path / name / "package" / "__init__.py").write_text(text)
        os.utime(tmp_path / name / "package" / "__init__.py", (len(name), len(name)))
        monkeypatch.setattr(module, "PACKAGES", tmp_path / name)
        return module.signature()

    first = signature_of("one", "a = 1")
    assert signature_of("another", "a = 1") == first
    assert signature_of("changed", "a = 2") != first


def test_newer_stand_ins_are_put_into_a_ready_environment(
    environments: Environments, request_for: Requests, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, run_in: Run
) -> None:
    environments.build(request_for("alpha==1.0"), print)
    newer = tmp_path / "newer"
    (newer / "sagemaker_training").mkdir(parents=True)
    (newer / "sagemaker_training" / "__init__.py").write_text("NEWER = True\n")
    monkeypatch.setattr(module, "PACKAGES", newer)
    lines: list[str] = []
    environment = environments.build(request_for("alpha==1.0"), lines.append)
    assert run_in(environment, "import sagemaker_training; print(sagemaker_training.NEWER)") == "True"
    assert lines == []


# -- requirements.txt


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("text", [None, "# nothing\n"])
def test_without_requirements_it_is_the_same_environment(
    environments: Environments, request_for: Requests, source: Path, text: str | None
) -> None:
    base = environments.build(request_for("alpha==1.0"), print)
    if text is not None:
        (source / "requirements.txt").write_text(text)
    assert environments.extend(base, source, print) is base


def test_requirements_are_on_top_and_what_satisfies_them_stays(
    environments: Environments, request_for: Requests, source: Path, run_in: Run
) -> None:
    base = environments.build(request_for("alpha==1.0"), print)
    (source / "requirements.txt").write_text("alpha\nbeta\n")
    lines: list[str] = []
    extended = environments.extend(base, source, lines.append)
    assert extended.packages == {"alpha": "1.0", "beta": "1.5"}
    assert extended.prefix != base.prefix
    assert "Installed beta 1.5" in lines
    assert run_in(extended, "import alpha, beta, sys; print(alpha.VERSION, beta.VERSION, sys.prefix)") == (
        f"1.0 1.5 {extended.prefix}"
    )
    assert subprocess.check_output([extended.prefix / "bin" / "beta"], text=True) == "1.5\n"
    assert not list(extended.prefix.glob("selfmaker--*"))
    again: list[str] = []
    assert environments.extend(base, source, again.append) == extended
    assert again == []


def test_another_version_replaces_the_images_and_leaves_the_base_alone(
    environments: Environments, request_for: Requests, source: Path, run_in: Run
) -> None:
    base = environments.build(request_for("alpha==1.0"), print)
    (source / "requirements.txt").write_text("alpha==2.0\n")
    lines: list[str] = []
    extended = environments.extend(base, source, lines.append)
    assert run_in(extended, "import alpha; print(alpha.VERSION)") == "2.0"
    assert run_in(base, "import alpha; print(alpha.VERSION)") == "1.0"
    assert "Installed alpha 2.0 (was 1.0)" in lines


def test_a_local_package_and_wheels_beside_the_script(
    environments: Environments, request_for: Requests, source: Path, write_wheel: Write
) -> None:
    (source / "wheels").mkdir()
    write_wheel(source / "wheels", "gamma", "1.0")
    write_wheel(source, "epsilon", "0.1")
    (source / "requirements.txt").write_text("--find-links wheels\ngamma\n./epsilon-0.1-py3-none-any.whl\n")
    base = environments.build(request_for("alpha==1.0"), print)
    extended = environments.extend(base, source, print)
    assert extended.packages == {"alpha": "1.0", "epsilon": "0.1", "gamma": "1.0"}
    write_wheel(source, "epsilon", "0.1", needs=("beta",))
    assert environments.extend(base, source, print).packages["beta"] == "1.5"


def test_what_cannot_be_installed_is_invalid_with_the_installers_words(
    environments: Environments, request_for: Requests, source: Path
) -> None:
    base = environments.build(request_for("alpha==1.0"), print)
    (source / "requirements.txt").write_text("no-such-thing==9\n")
    with pytest.raises(Invalid, match=r"InstallRequirementsError(.|\n)*no-such-thing"):
        environments.extend(base, source, print)
    (source / "requirements.txt").write_text("alpha=>1\n")
    with pytest.raises(Invalid, match=r"requirement in `requirements\.txt`"):  # none of our paths
        environments.extend(base, source, print)
    assert not list(environments.folder.glob(".making-*"))
    assert not list(environments.folder.glob("*+*"))


def test_requirements_of_an_image(
    environments: Environments, request_for: Requests, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotFound):
        environments.for_image("python:3.11", None, print)
    monkeypatch.setattr(Sklearn, "environment", lambda self, image: request_for("alpha==1.0"))
    (source / "requirements.txt").write_text("beta\n")
    name, environment = environments.for_image("sagemaker-scikit-learn:1.0-1", source / "requirements.txt", print)
    assert name == "sklearn"
    assert environment.packages == {"alpha": "1.0", "beta": "1.5"}


# -- the folder


def test_prune_removes_what_is_unused_and_what_broken_builds_left(
    environments: Environments, request_for: Requests
) -> None:
    old = environments.build(request_for("alpha==1.0"), print)
    new = environments.build(request_for("alpha==2.0"), print)
    os.utime(old.prefix / MARKER, (1, 1))
    (environments.folder / ".gone-0123").mkdir()
    assert environments.prune(unused_seconds=3600) == [old.prefix.name]
    assert new.prefix.exists() and not old.prefix.exists()
    assert not list(environments.folder.glob(".gone-*"))
    assert environments.prune() == [new.prefix.name]


def test_using_an_environment_keeps_it_from_being_pruned(environments: Environments, request_for: Requests) -> None:
    environment = environments.build(request_for("alpha==1.0"), print)
    os.utime(environment.prefix / MARKER, (1, 1))
    environments.build(request_for("alpha==1.0"), print)
    assert environments.prune(unused_seconds=3600) == []


def test_one_that_is_being_built_is_not_pruned(environments: Environments, request_for: Requests) -> None:
    environment = environments.build(request_for("alpha==1.0"), print)
    with (environments.folder / ".locks" / environment.prefix.name).open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert environments.prune() == []
    assert environment.prefix.exists()


def test_size_counts_shared_files_once(environments: Environments, request_for: Requests, source: Path) -> None:
    assert environments.size() == 0
    base = environments.build(request_for("alpha==1.0"), print)
    before = environments.size()
    (source / "requirements.txt").write_text("beta\n")
    environments.extend(base, source, print)
    assert before < environments.size() < 2 * before


def test_an_unwritable_folder_is_unavailable(request_for: Requests, wheels: Path) -> None:
    with pytest.raises(Unavailable, match="environments"):
        Environments(Path("/proc/environments")).build(request_for("alpha==1.0"), print)


def test_the_marker_holds_no_index_with_its_password(
    environments: Environments, request_for: Requests, source: Path
) -> None:
    base = environments.build(request_for("alpha==1.0"), print)
    (source / "requirements.txt").write_text(
        "--extra-index-url https://user:secret@index.example/simple\nbeta\n--no-index\n"
    )
    extended = environments.extend(base, source, print)
    assert json.loads((extended.prefix / MARKER).read_text())["packages"] == {"alpha": "1.0", "beta": "1.5"}
    found = [path for path in extended.prefix.rglob("*") if path.is_file() and b"secret@" in path.read_bytes()]
    assert found == []


BACKEND = """
import os, zipfile

def build_wheel(folder, config_settings=None, metadata_directory=None):
    info, name = "delta-3.0.dist-info", "delta-3.0-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        wheel.writestr("delta.py", "VERSION = 'built'")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: delta\\nVersion: 3.0\\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{info}/RECORD", "")
    return name
"""


def test_only_a_request_that_says_so_has_packages_built_from_source(
    environments: Environments, request_for: Requests, run_in: Run, wheels: Path
) -> None:
    """As an image of the user's own does: the training toolkit, for one, is there as source only."""
    files = {
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
        "backend.py": BACKEND,
        "PKG-INFO": "Metadata-Version: 2.1\nName: delta\nVersion: 3.0\n",
    }
    with tarfile.open(wheels / "delta-3.0.tar.gz", "w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(f"delta-3.0/{name}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    lines: list[str] = []
    with pytest.raises(Unavailable, match="delta"):
        environments.build(request_for("delta"), lines.append)
    assert not any("nearest versions" in line for line in lines)  # no version was asked for
    environment = environments.build(request_for("delta", compiles=True), lines.append)
    assert run_in(environment, "import delta; print(delta.VERSION)") == "built"
