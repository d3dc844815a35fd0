"""The worker runs in other people's environments: old Pythons, without selfmaker."""

import ast
import sys
from pathlib import Path

import pytest

from selfmaker.serving import worker

FILES = sorted(Path(worker.__file__).parent.glob("*.py"))
BROUGHT = {"PIL", "numpy", "pyarrow", "requests", "scipy", "tensorflow", "torch", "transformers", "xgboost"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_file_is_python_3_8_and_stands_alone(path):
    tree = ast.parse(path.read_text(), feature_version=(3, 8))
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module or ""]
        for name in names:
            top = name.split(".")[0]
            assert top in sys.stdlib_module_names | BROUGHT, f"{path.name} imports {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_new_annotations_are_never_evaluated(path):
    """``list[int]`` and ``X | None`` are errors before 3.9 and 3.10 unless annotations stay text."""
    tree = ast.parse(path.read_text())
    if any(isinstance(node, (ast.FunctionDef, ast.AnnAssign)) for node in ast.walk(tree)):
        imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
        assert any(node.module == "__future__" for node in imports)
    for node in tree.body:  # aliases are evaluated even so
        if isinstance(node, ast.Assign):
            assert not any(isinstance(part, ast.Subscript) for part in ast.walk(node.value)), ast.unparse(node)
