"""The probe agrees with what a run then does."""

import os
from pathlib import Path

from selfmaker.errors import Unavailable
from selfmaker.executors import refusal
from selfmaker.executors.probe import probe
from selfmaker.executors.process import BACKENDS, ProcessExecutor
from selfmaker.executors.protocol import Exit, RunSpec


def test_probe_tells_what_auto_will_do(tmp_path: Path) -> None:
    found = probe()
    assert set(found.failures) <= set(BACKENDS)
    assert found.backend not in found.failures
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        run = ProcessExecutor().start(RunSpec(("true",), {}, "/", tmp_path), null)
    except Unavailable:
        assert found.backend is None
        assert found.remedies
    else:
        assert run.wait() == Exit(0)
        assert found.backend is not None
    finally:
        os.close(null)


def test_a_refusal_says_what_was_tried_and_what_helps() -> None:
    text = refusal.explain({"namespaces": "Operation not permitted", "bubblewrap": "bwrap is not installed"})
    assert "namespaces: Operation not permitted; bubblewrap: bwrap is not installed" in text
    assert " Remedies: " in text
    assert refusal.remedies()[0] in text
