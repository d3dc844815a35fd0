from pathlib import Path

import pytest

from selfmaker.errors import Invalid
from selfmaker.runtimes.requirements_file import read

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


def write(source: Path, text: str | bytes, name: str = "requirements.txt") -> Path:
    path = source / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_comments_blank_lines_and_joined_lines(source: Path) -> None:
    path = write(source, "# all of it\n\npandas>=1.0  # a comment\r\nnumpy \\\n  ==1.26.0 \\\n --hash=sha256:00\na#b\n")
    lines = read(path).lines
    assert [" ".join(line.split()) for line in lines] == ["pandas>=1.0", "numpy ==1.26.0 --hash=sha256:00", "a#b"]


@pytest.mark.parametrize("text", ["", "\n# nothing\n", "--extra-index-url https://a.example\n"])
def test_a_file_without_requirements_is_empty(source: Path, text: str) -> None:
    assert read(write(source, text)).empty


@pytest.mark.parametrize("spelling", ["-r other/more.txt", "-rother/more.txt", "--requirement=other/more.txt"])
def test_nested_files_are_in_line_relative_to_the_file(source: Path, spelling: str) -> None:
    write(source, "beta\n-r deep.txt\n", "other/more.txt")
    write(source, "gamma\n-r more.txt\n", "other/deep.txt")  # back to the file that refers to it
    assert read(write(source, f"alpha\n{spelling}\ndelta\n")).lines == ["alpha", "beta", "gamma", "delta"]


def test_constraints_are_kept_apart(source: Path) -> None:
    write(source, "beta<2\n-r further.txt\n", "limits.txt")
    write(source, "gamma<3\n", "further.txt")
    requirements = read(write(source, "-c limits.txt\nbeta\n"))
    assert (requirements.lines, requirements.constraints) == (["beta"], ["beta<2", "gamma<3"])


def test_local_paths_become_absolute_and_are_installed_not_linked(source: Path) -> None:
    for name in ("pkg/setup.py", "dist/thing-1.0-py3-none-any.whl", "a/b/pyproject.toml"):
        write(source, "x", name)
    wheel = "dist/thing-1.0-py3-none-any.whl ; python_version > '3'"
    lines = ["./pkg[extra]", "-e ./pkg", wheel, "named @ ./a/b", "/opt/ml/code/pkg", "."]
    requirements = read(write(source, "\n".join(lines)))
    assert requirements.lines == [
        f"{source}/pkg[extra]",
        f"{source}/pkg",
        f"{source}/dist/thing-1.0-py3-none-any.whl ; python_version > '3'",
        f"named @ file://{source}/a/b",
        f"{source}/pkg",
        f"{source}",
    ]
    assert requirements.fixed


@pytest.mark.parametrize(
    "line",
    ["-r ../secret.txt", "-c /etc/passwd", "-e ../other", "../other", "--find-links /", "x @ file:///etc/passwd"],
)
def test_nothing_outside_the_source_folder_is_read(source: Path, line: str) -> None:
    write(source.parent, "token", "secret.txt")
    (source.parent / "other").mkdir()
    with pytest.raises(Invalid, match=r"line 2: .* is outside the source folder"):
        read(write(source, f"alpha\n{line}\n"))


def test_a_link_out_of_the_source_folder_is_outside(source: Path) -> None:
    write(source.parent, "token", "secret.txt")
    (source / "inside.txt").symlink_to(source.parent / "secret.txt")
    with pytest.raises(Invalid, match="outside"):
        read(write(source, "-r inside.txt\n"))


@pytest.mark.parametrize("line", ["-r missing.txt", "./missing", "missing/thing.whl", "-f missing"])
def test_what_is_missing_is_named_with_its_line(source: Path, line: str) -> None:
    with pytest.raises(Invalid, match=r"requirements.txt, line 1: there is no .*missing"):
        read(write(source, f"{line}\n"))


@pytest.mark.parametrize(
    ("line", "fixed"),
    [
        ("git+https://host.example/a/b.git", False),
        ("git+https://host.example/a/b.git@main#egg=b", False),
        ("-e git+ssh://git@host.example/a/b.git@v1", False),
        (f"git+https://host.example/a/b.git@{COMMIT}", True),
        (f"b @ git+https://host.example/a/b.git@{COMMIT}#subdirectory=x", True),
        ("b @ git+https://host.example/a/b.git", False),
        ("https://host.example/b-1.0-py3-none-any.whl", True),
        ("-r https://host.example/requirements.txt", False),
        ("b==1.0", True),
    ],
)
def test_what_may_mean_something_else_tomorrow_is_not_fixed(source: Path, line: str, fixed: bool) -> None:
    requirements = read(write(source, f"{line}\n"))
    assert requirements.fixed is fixed
    assert len(requirements.lines) == 1


def test_options_stay_and_an_own_index_is_noted(source: Path) -> None:
    text = "--extra-index-url https://a.example/simple\n-i https://b.example/simple\n--pre\nalpha\n"
    requirements = read(write(source, text))
    assert requirements.lines == text.splitlines()
    assert requirements.own_index
    assert not read(write(source, "--extra-index-url https://a.example\nalpha\n")).own_index


def test_the_digest_follows_every_file_that_is_referred_to(source: Path) -> None:
    write(source, "one", "pkg/setup.py")
    write(source, "beta", "more.txt")
    path = write(source, "-r more.txt\n./pkg\n")
    first = read(path).digest("base")
    assert read(path).digest("base") == first
    assert read(path).digest("other base") != first
    write(source, "two", "pkg/setup.py")
    second = read(path).digest("base")
    write(source, "beta==2", "more.txt")
    third = read(path).digest("base")
    assert len({first, second, third}) == 3


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-8"])
def test_files_of_windows_shells_are_read(source: Path, encoding: str) -> None:
    assert read(write(source, "alpha\r\nbeta\r\n".encode(encoding))).lines == ["alpha", "beta"]
