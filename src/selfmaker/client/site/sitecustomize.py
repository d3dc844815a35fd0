"""Run by every Python that starts with this folder on PYTHONPATH (``selfmaker run``, ``selfmaker env``, jobs).

It hooks the AWS clients that the process may import later and then lets the ``sitecustomize`` that this one hides run
as if it were the only one. The syntax is that of any Python: an old interpreter passes through untouched.
"""

# ruff: noqa: I001, PTH100, PTH120, UP036 - any Python there is, and nothing imported that it doesn't have already
import sys


def _run_hidden_sitecustomize():  # type: () -> None
    """The next sitecustomize on the path (a distribution's, the user's) takes its place in sys.modules."""
    import os

    import _frozen_importlib as importing
    import _frozen_importlib_external as files

    here = os.path.dirname(os.path.abspath(__file__))
    path = [folder for folder in sys.path if os.path.abspath(folder) != here]
    spec = files.PathFinder.find_spec("sitecustomize", path)
    if spec is None or spec.loader is None:
        return
    module = importing.module_from_spec(spec)
    sys.modules["sitecustomize"] = module
    spec.loader.exec_module(module)


if sys.version_info >= (3, 8):
    import _selfmaker  # type: ignore[import-not-found]

    _selfmaker.start()
if sys.version_info >= (3, 4):
    _run_hidden_sitecustomize()
