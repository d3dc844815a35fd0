"""The plan of mounts, which needs no sandbox."""

from pathlib import Path

import pytest

from selfmaker.errors import Invalid
from selfmaker.executors.mounts import Step, plan, tidy
from selfmaker.executors.protocol import Access, Mount, RunSpec


def spec(tmp_path: Path, *mounts: Mount, hidden: tuple[Path, ...] = ()) -> RunSpec:
    return RunSpec(("true",), {}, "/", tmp_path / "scratch", mounts=mounts, hidden=hidden)


def test_outer_mounts_come_first(tmp_path: Path) -> None:
    targets = ("/opt/ml/input/data/train", "/opt/ml", "/opt/ml/input")
    steps = plan(spec(tmp_path, *(Mount(tmp_path, target) for target in targets)))
    assert [step.target for step in steps] == ["/opt/ml", "/opt/ml/input", "/opt/ml/input/data/train"]


def test_targets_are_normal_and_sources_real(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (step,) = plan(spec(tmp_path, Mount(tmp_path / "link", "/opt//ml/", Access.READ_WRITE)))
    assert step == Step(str(tmp_path / "real"), "/opt/ml", Access.READ_WRITE, f"{tmp_path}/scratch/cow/0")


def test_a_hidden_path_is_masked_where_a_mount_shows_it(tmp_path: Path) -> None:
    (tmp_path / "home" / "data").mkdir(parents=True)
    home = tmp_path / "home"
    mounts = (Mount(tmp_path, "/opt/all"), Mount(home / "data", "/opt/data"), Mount(home, "/h"))
    steps = plan(spec(tmp_path, *mounts, hidden=(home / "data", tmp_path / "nothing")))
    masked = {step.target for step in steps if step.access is None}
    assert masked == {"/h/data", "/opt/all/home/data", "/opt/all/nothing"}
    order = [step.target for step in steps]
    assert order.index("/opt/all") < order.index("/opt/all/home/data")


def test_a_folder_whose_name_only_begins_alike_is_not_masked(tmp_path: Path) -> None:
    (tmp_path / "data-set").mkdir()
    steps = plan(spec(tmp_path, Mount(tmp_path / "data-set", "/opt/x"), hidden=(tmp_path / "data",)))
    assert all(step.access is not None for step in steps)


@pytest.mark.parametrize("target", ["relative", "/a/../b", "/", "//", "/proc", "/sys/fs", "/dev/shm/x"])
def test_targets_that_are_refused(tmp_path: Path, target: str) -> None:
    with pytest.raises(Invalid, match="cannot mount"):
        plan(spec(tmp_path, Mount(tmp_path, target)))


def test_a_source_must_exist(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"no-such at /opt/x: there is no such file or folder"):
        plan(spec(tmp_path, Mount(tmp_path / "no-such", "/opt/x")))


def test_tidy_of_a_run_without_copies(tmp_path: Path) -> None:
    tidy(str(tmp_path))
    (tmp_path / "cow" / "0" / "work" / "work").mkdir(parents=True, mode=0o000)
    tidy(str(tmp_path))
    assert (tmp_path / "cow" / "0" / "work" / "work").stat().st_mode & 0o777 == 0o700
