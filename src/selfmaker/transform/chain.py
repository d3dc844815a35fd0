"""The model in a transform job: its containers, one after the other, each with workers of its own."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path

from selfmaker.errors import SelfmakerError
from selfmaker.executors.process import ProcessExecutor
from selfmaker.executors.protocol import Mount
from selfmaker.runtimes.declared import CONTAINER
from selfmaker.runtimes.environments import Environments
from selfmaker.serving.channel import Unanswered, WorkerFailed
from selfmaker.serving.launcher import Launcher
from selfmaker.serving.output_log import OutputLog
from selfmaker.serving.variant import Variant
from selfmaker.serving.worker.transport import EXECUTION_PARAMETERS, Message
from selfmaker.serving.worker_plan import WorkerPlan
from selfmaker.serving.worker_process import WorkerProcess
from selfmaker.transform.host_plan import Container, HostPlan

_log = logging.getLogger(__name__)

_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0


class ModelUnfit(SelfmakerError):
    """The model cannot be served; the message is a failure reason."""


class Chain:
    """Used on the event loop only. ``start`` before the first ``ask``, ``stop`` at the end."""

    def __init__(self, plan: HostPlan, log: OutputLog, loop: asyncio.AbstractEventLoop) -> None:
        self._plan = plan
        self._log = log
        self._loop = loop
        self._launcher = Launcher(ProcessExecutor(plan.sandbox), loop)
        self._plans: list[WorkerPlan] = []
        self._variants: list[Variant] = []

    async def start(self) -> None:
        """Build what is to be built and bring all workers up. Raises ModelUnfit."""
        try:
            plans = [await asyncio.to_thread(self._worker_plan, container) for container in self._plan.containers]
        except SelfmakerError as error:
            raise ModelUnfit(f"ClientError: {error.message}") from error
        self._plans = plans
        for number, plan in enumerate(plans):
            variant = Variant(f"container-{number + 1}", self._launch(plan), self._loop)
            variant.timeout = self._plan.sending.timeout
            self._variants.append(variant)
        results = await asyncio.gather(
            *(variant.start(self._plan.workers) for variant in self._variants), return_exceptions=True
        )
        for result in results:
            if isinstance(result, SelfmakerError):
                self._log.say(result.message)
                raise ModelUnfit(f"AlgorithmError: The model could not be loaded: {result.message}")
            if isinstance(result, BaseException):
                raise result

    async def stop(self) -> None:
        await asyncio.gather(*(variant.stop() for variant in self._variants))
        self._launcher.close()

    async def parameters(self) -> bytes | None:
        """What the model's container says to GET /execution-parameters; None where it says nothing, or is no container
        of the user's own, or one of several."""
        if len(self._plans) != 1 or self._plans[0].framework != CONTAINER:
            return None
        try:
            answer = await self._variants[0].submit(Message(EXECUTION_PARAMETERS, "", "", "", b""))
        except Unanswered:
            return None
        return answer.body if answer.status == HTTPStatus.OK else None

    async def ask(self, payload: bytes, again: bool = True) -> Message:
        """The answer to one payload, tried ``again`` as often as the job allows when there is none or a status of 500
        and more. Raises Unanswered when there was none in the end."""
        pause = _SHORTEST_PAUSE
        for left in range(self._plan.sending.retries if again else 0, -1, -1):
            try:
                answer = await self._once(payload)
                if not left or (answer.status < 500 and answer.status != HTTPStatus.TOO_MANY_REQUESTS):
                    return answer
            except Unanswered as unanswered:
                if not left:
                    raise
                _log.info("asked again: %s", unanswered.message)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        raise AssertionError("the last attempt returns or raises")

    async def _once(self, payload: bytes) -> Message:
        """Through all containers; the first that answers with an error ends it."""
        sending = self._plan.sending
        content_type = sending.content_type
        for variant in self._variants:
            accept = sending.accept if variant is self._variants[-1] else ""
            answer = await variant.submit(Message(0, content_type, accept, "", payload))
            if answer.status >= 300:
                return answer
            content_type, payload = answer.content_type, answer.body
        return answer

    def _launch(self, plan: WorkerPlan) -> Callable[[], Awaitable[WorkerProcess]]:
        async def launch() -> WorkerProcess:
            try:
                return await self._launcher.launch(plan, Path(self._plan.runs), self._log, self._plan.patience)
            except WorkerFailed as error:
                self._log.say(error.message)
                raise

        return launch

    def _worker_plan(self, container: Container) -> WorkerPlan:
        requirements = Path(container.requirements) if container.requirements else None
        environments = Environments(Path(self._plan.environments))
        framework, environment = environments.for_image(container.image, requirements, self._log.say)
        for note in environment.notes:
            self._log.say(f"selfmaker: {note}")
        return WorkerPlan(
            framework=framework,
            environment=environment,
            model=Path(container.model) if container.model else None,
            code=Path(container.code) if container.code else None,
            code_dir=container.code_dir,
            program=container.program,
            variables=container.variables,
            mounts=tuple(Mount(Path(source), target) for source, target in container.mounts),
            network=container.network,
            hidden=tuple(Path(path) for path in self._plan.hidden),
        )
