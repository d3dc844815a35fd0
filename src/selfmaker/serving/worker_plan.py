"""How a worker is to be started: from the plan of one to the mounts, the environment and the command of its process."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from selfmaker.executors.protocol import Access, Mount, RunSpec
from selfmaker.runtimes.base import Environment, Programs, over_image
from selfmaker.serving import worker

MODEL_DIR = "/opt/ml/model"
CODE_DIR = "/opt/ml/code"
_OURS = "/opt/selfmaker"
_ROUTER = _OURS + "/router"
_PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); from selfmaker_worker.main import main; del sys.path[0]; main()"
)
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


@dataclass(frozen=True)
class WorkerPlan:
    """How to start a worker. ``model`` and ``code`` are folders on the host (None: there is none); ``code_dir`` is
    the script's folder in the sandbox, ``program`` the script in it; ``variables`` are the container's environment."""

    framework: str
    environment: Environment
    model: Path | None
    code: Path | None = None
    code_dir: str | None = None
    program: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    network: bool = True
    hidden: tuple[Path, ...] = ()


def run_spec(plan: WorkerPlan, run: Path) -> RunSpec:
    """The worker's process: its mounts, its environment, its command."""
    environment = plan.environment
    mounts = [
        Mount(environment.prefix, str(environment.prefix), Access.COPY_ON_WRITE),
        Mount(Path(worker.__file__).parent, _OURS + "/selfmaker_worker"),
        Mount(run / "router", _ROUTER),
        *plan.mounts,
    ]
    if environment.base is not None:
        mounts.append(Mount(environment.base, str(environment.base)))
    programs = environment.programs
    if programs is not None:
        mounts += _program_mounts(programs, run)
    if plan.model is not None:
        mounts.append(Mount(plan.model, MODEL_DIR, Access.COPY_ON_WRITE))
    else:
        mounts.append(_empty_model(run))
    if plan.code is not None:
        mounts.append(Mount(plan.code, CODE_DIR, Access.COPY_ON_WRITE))
    return RunSpec(
        argv=(str(environment.python), "-c", _PROGRAM, _OURS, *arguments(plan)),
        environment=_variables(plan),
        directory=directory(plan),
        scratch=run / "scratch",
        mounts=tuple(mounts),
        hidden=plan.hidden,
        hostname="model",
        # A program that serves has port 8080 to itself, unless it is to reach others: then it is told a free one.
        network=plan.network and (programs is None or programs.network),
    )


def _variables(plan: WorkerPlan) -> dict[str, str]:
    """The worker's environment; the container's own variables win."""
    environment, programs = plan.environment, plan.environment.programs
    own = f"{programs.directory}:{_OURS}/selfmaker_worker/bin:" if programs is not None else ""
    path = f"{own}{environment.prefix / 'bin'}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return {
        "PATH": path,
        "VIRTUAL_ENV": str(environment.prefix),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "SM_MODEL_DIR": MODEL_DIR,
        **dict.fromkeys(_ONE_THREAD, "1"),
        **over_image(programs.variables if programs is not None else {}, plan.variables),
    }


def arguments(plan: WorkerPlan) -> list[str]:
    """The worker program's own."""
    options = ["--socket", _ROUTER + "/s", "--framework", plan.framework, "--model-dir", MODEL_DIR]
    if plan.program and plan.code_dir:
        options += ["--code-dir", plan.code_dir, "--program", plan.program]
    if accept := plan.variables.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT"):
        options += ["--default-accept", accept]
    programs = plan.environment.programs
    if programs is not None:
        options += ["--serve", shlex.join(programs.serve), "--serve-dir", programs.directory]
    return options


def directory(plan: WorkerPlan) -> str:
    """Where the worker works."""
    return plan.code_dir if plan.program and plan.code_dir else "/"


def spare_spec(plan: WorkerPlan, run: Path) -> RunSpec:
    """As ``run_spec``, for a worker that has no model yet: what it will serve comes to its folder ``run``."""
    spec = run_spec(replace(plan, model=None, code=None, code_dir=None, program=None), run)
    code = Mount(run / "code", CODE_DIR, Access.READ_WRITE)
    return replace(spec, argv=(*spec.argv, "--spare"), mounts=(*spec.mounts, code))


def _empty_model(run: Path) -> Mount:
    """The folder of a model that has no files, which is there all the same: scripts look into it."""
    (run / "model").mkdir(mode=0o700, exist_ok=True)
    return Mount(run / "model", MODEL_DIR, Access.READ_WRITE)


def _program_mounts(programs: Programs, run: Path) -> list[Mount]:
    """An image's programs, and a place for the logs of the nginx that they may start."""
    logs = run / "nginx"
    logs.mkdir(mode=0o700, exist_ok=True)
    return [
        Mount(programs.folder, programs.directory, Access.COPY_ON_WRITE),
        Mount(logs, "/var/log/nginx", Access.READ_WRITE),
    ]
