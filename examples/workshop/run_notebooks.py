"""Run notebooks from top to bottom, one after the other, each in its folder: ``python run_notebooks.py NOTEBOOK...``.

What Jupyter's "Run All" does, without Jupyter: the code cells of a notebook share one namespace.
"""

import json
import os
import sys
from pathlib import Path


def run(notebook):
    """Raises what the first failing cell raises; the traceback names notebook and cell."""
    document = json.loads(notebook.read_text())
    namespace = {"__name__": "__main__"}
    for number, cell in enumerate(document["cells"]):
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), f"{notebook.name}[{number}]", "exec"), namespace)


def main(names):
    for notebook in [Path(name).resolve() for name in names]:
        print(f">>> {notebook.name}", flush=True)
        os.chdir(notebook.parent)
        run(notebook)


if __name__ == "__main__":
    main(sys.argv[1:])
