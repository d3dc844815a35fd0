"""What a submission must be before any job is started for it, and the messages for what it is not."""

import ast
import shutil
from dataclasses import dataclass
from pathlib import Path

GIVEN = ("train.py", "preprocess.py", "requirements.txt")  # what is taken from a submission
REQUIRED = GIVEN[:2]
PASSED_OVER = ("score.py", "challenge.py", "README.md", "data", "local")  # part of the template, and not taken
FUNCTIONS = {"train.py": ("model_fn", "input_fn"), "preprocess.py": ("preprocess",)}
MEGABYTE = 1 << 20


class Rejected(Exception):
    """The submission ends here; the message is for the entrant and says what to do."""


@dataclass(frozen=True)
class Limits:
    """Seconds that jobs may take, and the largest code, model, preprocessed file and predictions in bytes."""

    training: int = 3600
    preprocessing: int = 1800
    prediction: int = 1800
    code: int = MEGABYTE
    model: int = 512 * MEGABYTE
    preprocessed: int = 2048 * MEGABYTE
    predictions: int = 256 * MEGABYTE


def check(folder: Path, limits: Limits) -> None:
    """Raises Rejected with everything that is wrong with the files."""
    problems = [f"{name} is missing: take it from the template" for name in REQUIRED if not (folder / name).is_file()]
    entries = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith((".", "__pycache__")))
    extra = [name for name in entries if name not in GIVEN + PASSED_OVER]
    if extra:
        problems.append(f"remove {', '.join(extra)}: a submission is {', '.join(GIVEN)} and nothing else")
    for name in GIVEN:
        path = folder / name
        if path.is_symlink():
            problems.append(f"{name} is a link: submit the file itself")
        elif path.is_file() and path.stat().st_size > limits.code:
            problems.append(
                f"{name} has {path.stat().st_size} bytes, at most {limits.code} are allowed: keep data out of it"
            )
        elif path.is_file() and name.endswith(".py"):
            problems += _read(path)
    if problems:
        raise Rejected("\n".join(problems))


def stage(folder: Path, target: Path) -> Path:
    """A folder with what is taken of a submission, and nothing else."""
    target.mkdir(parents=True)
    for name in GIVEN:
        if (folder / name).is_file():
            shutil.copy(folder / name, target / name)
    return target


def _read(path: Path) -> list[str]:
    try:
        tree = ast.parse(path.read_bytes(), path.name)
    except (SyntaxError, ValueError) as error:
        place = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
        return [f"{path.name}{place} is not Python: {getattr(error, 'msg', error)}"]
    defined = set(_defined(tree))
    missing = [name for name in FUNCTIONS.get(path.name, ()) if name not in defined]
    problems = [f"{path.name} has no function {name}: write it as the template shows" for name in missing]
    if not any(isinstance(node, ast.If) and "__main__" in ast.unparse(node.test) for node in tree.body):
        problems.append(f'{path.name} has no main: put what the job is to do below if __name__ == "__main__"')
    return problems


def _defined(tree: ast.Module) -> list[str]:
    """The names that a module has at its top: what it defines, assigns or imports."""
    names = []
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.append(node.name)
        elif isinstance(node, ast.Assign):
            names += [target.id for target in node.targets if isinstance(target, ast.Name)]
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names += [(alias.asname or alias.name).split(".")[0] for alias in node.names]
    return names
