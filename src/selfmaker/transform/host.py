"""The program of one host of a transform job. Started by the job's supervisor, it starts the model's workers.

It ends with its starter, and its workers end with it. Exit code 0: every object has its output; 1: the file ``failure``
says why not, and the objects that succeeded have theirs.
"""

import asyncio
import csv
import os
import sys
import threading
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import uvloop

from selfmaker.runtimes.catalog import use_images
from selfmaker.serving.output_log import OutputLog
from selfmaker.transform.chain import Chain, ModelUnfit
from selfmaker.transform.execution_parameters import wanted
from selfmaker.transform.host_plan import HostPlan
from selfmaker.transform.pump import Pump
from selfmaker.transform.splitting import MEGABYTE, SINGLE_RECORD


def main(path: Path) -> int:
    """Do what the plan at ``path`` says; returns the exit code."""
    threading.Thread(target=_end_with_starter, daemon=True).start()
    csv.field_size_limit(sys.maxsize)  # a cell may be as long as a payload
    plan = HostPlan.read(path)
    use_images(Path(plan.images))
    loop = uvloop.new_event_loop()
    try:
        failures = loop.run_until_complete(_transform(plan, loop))
    except OSError as error:
        failures = [f"InternalServerError: {error}"]
    if not failures:
        return 0
    more = f" ({len(failures)} objects failed)" if len(failures) > 1 else ""
    failure = Path(plan.failure)
    failure.parent.mkdir(parents=True, exist_ok=True)
    failure.write_text(failures[0] + more)
    return 1


async def _transform(plan: HostPlan, loop: asyncio.AbstractEventLoop) -> list[str]:
    log, data_log = OutputLog(Path(plan.log)), OutputLog(Path(plan.data_log))

    def say(text: str) -> None:
        stamp = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
        data_log.say(f"{stamp}:[sagemaker logs]: {text}")

    sending = plan.sending
    if not plan.objects:
        return []
    chain = Chain(plan, log, loop)
    try:
        await chain.start()
        if plan.asks and (told := await chain.parameters()) is not None:
            sending = wanted(sending, plan.asks, told)
            plan = replace(plan, sending=sending)
        strategy = "SINGLE_RECORD" if sending.strategy == SINGLE_RECORD else "MULTI_RECORD"
        limit = f"{sending.limit / MEGABYTE:g}"
        say(f"MaxConcurrentTransforms={sending.concurrency}, MaxPayloadInMB={limit}, BatchStrategy={strategy}")
        return await Pump(plan, chain.ask, say).run()
    except ModelUnfit as unfit:
        say(unfit.message)
        return [unfit.message]
    finally:
        await chain.stop()
        log.close()
        data_log.close()


def _end_with_starter() -> None:
    while os.read(0, 4096):
        continue
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
