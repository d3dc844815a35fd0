"""From a job's plan to the runs of its hosts: the environment is built here, in the supervisor.

The plan (``plan.json``) is what ``jobs.training`` and its like write:

    kind           training or processing: whether artifacts are packed
    image          the image's URI, or null: a program of ours, which needs no environment
    environments   the folder of built environments
    images         the folder of declared images
    source         the folder of the user's program, or null
    installs       whether the requirements.txt in there is to be installed on top; true where it is left out
    argv           the command, or null: the image's built-in algorithm
    directory      where it is run, in the job's file system
    sandbox        which executor backend; ``none`` for a program of ours
    hosts          [{name, address, variables, mounts: [[source, target, access]], scratch, remarks, pipes}], with
                   argv where a host has a command of its own, mpi where its script is started by MPI, and
                   path where programs are looked for first
    hidden         host paths out of the job's reach
    network        whether the job may use the network

Imported by the supervisor: only light parts of the standard library and of ours.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from selfmaker.contract.distribution import MPI_PACKAGES, PROGRAMS_IN_JOB
from selfmaker.errors import Invalid, SelfmakerError
from selfmaker.executors import bare
from selfmaker.executors.process import ProcessExecutor
from selfmaker.executors.protocol import Access, Executor, Mount, RunSpec
from selfmaker.executors.spare import Spare
from selfmaker.runtimes.base import Environment, over_image
from selfmaker.runtimes.base_python import sdk_of_caller
from selfmaker.runtimes.catalog import parse_image, runtime_for, use_images
from selfmaker.runtimes.environments import Environments
from selfmaker.runtimes.notebooks import PACKAGES as NOTEBOOK_PACKAGES
from selfmaker.runtimes.notebooks import is_notebook_job, notebook_command

Plan = dict[str, Any]
Say = Callable[[str], None]

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def executor(backend: str, spare: Spare | None = None) -> Executor:
    """The executor by which this job's hosts are started; the first of them that can takes the ``spare``."""
    return bare.BareExecutor() if backend == bare.BACKEND else ProcessExecutor(backend, spare)


def load(plan: Plan, say: Say) -> list[tuple[str, RunSpec]]:
    """Build the environment and spell out each host's run. Raises SelfmakerError; its message is for the user."""
    if plan["image"] is None:
        return [(host["name"], _own_program(host, plan["directory"])) for host in plan["hosts"]]
    use_images(Path(plan["images"]))
    environment = _environment(plan, say)
    argv, added = _command(plan, environment)
    return [(host["name"], _run(plan, host, environment, argv, added)) for host in plan["hosts"]]


def _own_program(host: dict[str, Any], directory: str) -> RunSpec:
    return RunSpec(tuple(host["argv"]), host["variables"], directory, Path(host["scratch"]))


def _environment(plan: Plan, say: Say) -> Environment:
    environments = Environments(Path(plan["environments"]))
    image = parse_image(plan["image"])
    environment = environments.build(runtime_for(plan["image"]).environment(image), say)
    for note in environment.notes:
        say(f"selfmaker: {note}")
    if plan["source"] is not None and plan.get("installs", True):
        environment = environments.extend(environment, Path(plan["source"]), say)
    sdk = sdk_of_caller(plan["argv"] or ())
    if sdk is not None:
        environment = environments.with_package(environment, sdk, say)
    if is_notebook_job(plan["argv"] or ()):
        environment = environments.with_package(environment, "\n".join(NOTEBOOK_PACKAGES), say)
    if any("mpi" in host for host in plan["hosts"]):
        environment = _with_mpi(environments, environment, say)
    packages = ", ".join(f"{name} {version}" for name, version in environment.packages.items())
    say(f"selfmaker: environment {environment.prefix.name}: {packages}")
    return environment


def _command(plan: Plan, environment: Environment) -> tuple[tuple[str, ...], dict[str, str]]:
    """The argv, and the variables that go with it."""
    if plan["argv"] is not None and is_notebook_job(plan["argv"]):
        return notebook_command(environment.python, plan["argv"]), {}
    if plan["argv"] is not None:
        return tuple(plan["argv"]), {}
    command = runtime_for(plan["image"]).algorithm(parse_image(plan["image"]), environment.python)
    if command is None:
        raise Invalid(
            f"the image {plan['image']} has no algorithm of its own: name a program by the hyperparameter "
            "sagemaker_program, or give AlgorithmSpecification.ContainerEntrypoint"
        )
    return command.argv, dict(command.environment)


def _run(
    plan: Plan, host: dict[str, Any], environment: Environment, argv: tuple[str, ...], added: dict[str, str]
) -> RunSpec:
    mounts = [Mount(environment.prefix, str(environment.prefix), Access.COPY_ON_WRITE)]
    if environment.base is not None:
        mounts.append(Mount(environment.base, str(environment.base)))
    programs = environment.programs
    if programs is not None:
        mounts.append(Mount(programs.folder, programs.directory, Access.COPY_ON_WRITE))
    mounts += [Mount(Path(source), target, Access(access)) for source, target, access in host["mounts"]]
    return RunSpec(
        argv=tuple(host.get("argv", argv)),
        environment={
            "PATH": ":".join(_search_path(host, environment)),
            "VIRTUAL_ENV": str(environment.prefix),
            **over_image(programs.variables if programs is not None else {}, {**added, **host["variables"]}),
        },
        directory=programs.directory if programs is not None and plan["source"] is None else plan["directory"],
        scratch=Path(host["scratch"]),
        mounts=tuple(mounts),
        hidden=tuple(Path(path) for path in plan["hidden"]),
        hostname=host["name"],
        hosts={other["name"]: other["address"] for other in plan["hosts"]},
        network=plan["network"],
    )


def _search_path(host: dict[str, Any], environment: Environment) -> list[str]:
    """With MPI, ``ssh`` is ours: it reaches the other hosts of the job. A declared image's programs come first."""
    own = [environment.programs.directory] if environment.programs is not None else []
    mpi = [f"{PROGRAMS_IN_JOB}/bin"] if "mpi" in host else []
    return [*host.get("path", ()), *mpi, *own, str(environment.prefix / "bin"), SYSTEM_PATH]


def _with_mpi(environments: Environments, environment: Environment, say: Say) -> Environment:
    """With an mpirun, as the images have one. Where none can be had, starting the script says so."""
    if shutil.which("mpirun", path=f"{environment.prefix / 'bin'}:{SYSTEM_PATH}"):
        return environment
    try:
        return environments.with_package(environment, "\n".join(MPI_PACKAGES), say)
    except SelfmakerError as error:
        say(f"selfmaker: no MPI can be installed: {error.message.strip().splitlines()[-1]}")
        return environment
