"""Imports point inward: each package may import only what its column in the architecture says."""

import ast
from pathlib import Path

import pytest

import selfmaker

SOURCE = Path(selfmaker.__file__).parent
LEAVES = {"errors", "settings", "clock", "ids", "services", "signals"}
ENGINE = {"store", "objects", "executors", "runtimes", "contract"}
SERVICE = ENGINE | {
    "aws",
    "jobs",
    "serving",
    "functions",
    "analytics",
    "features",
    "transform",
    "workflow",
    "tuning",
    "sagemaker",
}

ALLOWED: dict[str, set[str]] = {
    "store": set(),
    "objects": {"store"},
    "executors": set(),
    "runtimes": set(),
    "contract": {"objects"},
    "jobs": ENGINE | {"client"},
    "serving": ENGINE | {"client"},
    "transform": ENGINE | {"client", "jobs", "serving"},
    "workflow": {"store"},
    "analytics": ENGINE,
    "features": ENGINE | {"analytics"},
    "functions": ENGINE | {"client", "serving"},
    "aws": set(),
    "client": set(),
    "sagemaker": SERVICE,
    "sagemaker_metrics": SERVICE,
    "sagemaker_runtime": SERVICE,
    "s3": SERVICE,
    "sts": SERVICE | {"iam"},
    "iam": SERVICE,
    "logs": SERVICE,
    "cloudwatch": SERVICE,
    "application_autoscaling": SERVICE | {"cloudwatch"},
    "ecr": SERVICE,
    "sqs": SERVICE,
    "lambda_": SERVICE | {"events"},
    "events": SERVICE,
    "sagemaker_featurestore_runtime": SERVICE,
    "athena": SERVICE,
    "glue": SERVICE,
    "scheduler": SERVICE | {"events"},
    "cli": {"aws", "client", "app", "wiring", "executors", "workflow", "runtimes"},
}
LEAF_IMPORTS = {"settings": {"errors"}, "errors": set(), "clock": set(), "ids": set(), "services": set()}


STAND_ALONE = (  # need nothing of ours
    "runtimes/packages",
    "runtimes/algorithms",
    "contract/programs",
    "serving/worker/",
    "client/site",
    "functions/program/",
    "analytics/program/",
)


def imported(path: Path) -> set[str]:
    """The first names below ``selfmaker`` that a file imports, at whatever depth of nesting."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level:
            assert path.relative_to(SOURCE).as_posix().startswith(STAND_ALONE), f"{path}: relative import"
            continue
        elif isinstance(node, ast.ImportFrom):
            modules = [f"{node.module}.{alias.name}" for alias in node.names] if node.module == "selfmaker" else []
            modules += [node.module or ""]
        else:
            continue
        names |= {m.split(".")[1] for m in modules if m.startswith("selfmaker.")}
    return names


@pytest.mark.parametrize("package", sorted(ALLOWED))
def test_package_imports_only_inward(package: str) -> None:
    allowed = ALLOWED[package] | LEAVES | {package, "__version__"}
    for path in (SOURCE / package).rglob("*.py"):
        beyond = imported(path) - allowed
        assert not beyond, f"{path.relative_to(SOURCE)} imports {sorted(beyond)}"
        if path.relative_to(SOURCE).as_posix().startswith(STAND_ALONE):
            assert not imported(path), f"{path.relative_to(SOURCE)} runs where there is no selfmaker"


@pytest.mark.parametrize("leaf", sorted(LEAF_IMPORTS))
def test_leaves_import_nothing(leaf: str) -> None:
    assert imported(SOURCE / f"{leaf}.py") <= LEAF_IMPORTS[leaf]


def test_every_package_has_its_rule() -> None:
    packages = {path.name for path in SOURCE.iterdir() if (path / "__init__.py").exists()}
    assert packages == set(ALLOWED)


def test_only_settings_reads_the_environment() -> None:
    """But for the programs that run inside the user's process, and the command line, which hands the user's on."""
    own = {"client", "cli"}
    for path in SOURCE.rglob("*.py"):
        relative = path.relative_to(SOURCE)
        if relative.parts[0] in own or relative.as_posix().startswith(STAND_ALONE) or relative.name == "settings.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            reads = isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv", "environb")
            assert not reads, f"{relative}:{node.lineno} reads the environment"
