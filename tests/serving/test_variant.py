"""Several workers of one model: requests between them, their deaths, their number."""

import asyncio
import os
import signal

import pytest

from selfmaker.serving.channel import Unanswered, WorkerFailed
from selfmaker.serving.variant import Variant
from selfmaker.serving.worker.transport import Message

SCRIPT = """
import os, pathlib, time
def model_fn(model_dir):
    return os.getpid()
def transform_fn(model, body, content_type, accept):
    word, _, argument = body.decode().partition(" ")
    if word == "wait":  # until the file is there
        pathlib.Path(argument + ".begun").touch()
        while not pathlib.Path(argument).exists():
            time.sleep(0.005)
    if word == "exit":
        os._exit(3)
    if word == "raise":
        raise ValueError(argument)
    return str(model)
"""


def message(text):
    return Message(0, "application/octet-stream", "", "", text.encode())


@pytest.fixture
def variant(loop, on_loop, launcher, plan_for, output_log, tmp_path):
    plan = plan_for(SCRIPT)

    async def launch():
        return await launcher.launch(plan, tmp_path / "runs", output_log, 60)

    made = Variant("v", launch, loop)
    yield made
    on_loop(made.stop())
    assert list((tmp_path / "runs").iterdir()) == []


async def until(holds):
    while not holds():
        await asyncio.sleep(0.01)


def test_requests_go_to_the_worker_with_the_fewest(variant, on_loop, tmp_path):
    async def scene():
        await variant.start(2)
        first = variant.submit(message(f"wait {tmp_path / 'go'}"))
        await until((tmp_path / "go.begun").exists)
        others = {(await variant.submit(message("hi"))).body for _ in range(10)}
        (tmp_path / "go").touch()
        return (await first).body, others

    busy, others = on_loop(scene())
    assert len(others) == 1
    assert busy not in others


def test_an_exception_is_an_answer_and_the_worker_stays(variant, on_loop, tmp_path):
    async def scene():
        await variant.start(1)
        before = await variant.submit(message("hi"))
        failed = await variant.submit(message("raise not today"))
        after = await variant.submit(message("hi"))
        await until(lambda: "ValueError: not today" in (tmp_path / "output.log").read_text())
        return before, failed, after

    before, failed, after = on_loop(scene())
    assert (failed.status, failed.body) == (500, b"ValueError: not today")
    assert before.body == after.body
    log = (tmp_path / "output.log").read_text()
    assert "Traceback" in log
    assert "raise ValueError(argument)" in log


def test_a_dead_worker_fails_its_request_alone_and_is_replaced(variant, on_loop, tmp_path):
    async def scene():
        await variant.start(1)
        old = (await variant.submit(message("hi"))).body
        begun = variant.submit(message(f"wait {tmp_path / 'never'}"))
        behind = [variant.submit(message("hi")) for _ in range(8)]
        await until((tmp_path / "never.begun").exists)
        os.kill(int(old), signal.SIGKILL)
        with pytest.raises(Unanswered) as caught:
            await begun
        return old, caught.value, [(await answer).body for answer in behind]

    old, error, answers = on_loop(scene())
    assert error.status == 500
    assert "ended while it was at this request" in error.message
    assert len(set(answers)) == 1
    assert old not in answers


def test_a_worker_that_exits_by_itself_is_replaced(variant, on_loop):
    async def scene():
        await variant.start(2)
        for _ in range(3):
            with pytest.raises(Unanswered):
                await variant.submit(message("exit"))
        await until(lambda: variant.ready == 2)
        return await variant.submit(message("hi"))

    assert on_loop(scene()).status == 200


def test_a_request_that_takes_too_long_is_given_up_and_its_worker_replaced(variant, on_loop, tmp_path):
    async def scene():
        variant.timeout = 0.3
        await variant.start(1)
        stuck = variant.submit(message(f"wait {tmp_path / 'never'}"))
        with pytest.raises(Unanswered) as caught:
            await stuck
        variant.timeout = 60
        return caught.value, await variant.submit(message("hi"))

    error, answer = on_loop(scene())
    assert error.status == 0
    assert "timed out" in error.message
    assert answer.status == 200


def test_fewer_workers_let_the_requests_in_hand_finish(variant, on_loop, tmp_path):
    async def scene():
        await variant.start(2)
        answers = [variant.submit(message(f"wait {tmp_path / 'go'}")) for _ in range(2)]
        await until((tmp_path / "go.begun").exists)
        resizing = asyncio.ensure_future(variant.resize(1))
        await until(lambda: variant.ready == 1)
        (tmp_path / "go").touch()
        await resizing
        bodies = {(await answer).body for answer in answers}
        await variant.resize(3)
        return bodies, variant.ready

    bodies, ready = on_loop(scene())
    assert len(bodies) == 2
    assert ready == 3


def test_drain_answers_all_that_was_asked(variant, on_loop):
    async def scene():
        await variant.start(1)
        answers = [variant.submit(message("hi")) for _ in range(30)]
        await variant.drain(60)
        with pytest.raises(Unanswered):
            await variant.submit(message("too late"))
        return [(await answer).status for answer in answers]

    assert on_loop(scene()) == [200] * 30


def test_stop_leaves_nobody_waiting(variant, on_loop, tmp_path):
    async def scene():
        await variant.start(1)
        answers = [variant.submit(message(f"wait {tmp_path / 'never'}")) for _ in range(12)]
        await until((tmp_path / "never.begun").exists)
        variant._workers and next(iter(variant._workers.values())).kill()
        await variant.stop()
        return await asyncio.gather(*answers, return_exceptions=True)

    assert all(isinstance(answer, Unanswered) for answer in on_loop(scene()))


def test_a_worker_that_dies_as_soon_as_it_is_ready_is_replaced(loop, on_loop, launcher, plan_for, output_log, tmp_path):
    plan, killed = plan_for(SCRIPT), []

    async def launch():
        process = await launcher.launch(plan, tmp_path / "runs", output_log, 60)
        if not killed:
            killed.append(process.handle.pid)
            process.kill()
            await process.ended
            await asyncio.sleep(0.01)
        return process

    async def scene():
        variant = Variant("v", launch, loop)
        await variant.start(1)
        try:
            return await asyncio.wait_for(variant.submit(message("hi")), 30)
        finally:
            await variant.stop()

    assert on_loop(scene()).status == 200
    assert len(killed) == 1


def test_all_workers_come_up_or_none(loop, on_loop, launcher, plan_for, output_log, tmp_path):
    flag = tmp_path / "first"
    plan = plan_for(
        f"import os\ndef model_fn(d):\n    os.mkdir({str(flag)!r})\n    return 1\ndef transform_fn(m, b, c, a): pass\n"
    )

    async def scene():
        variant = Variant("v", lambda: launcher.launch(plan, tmp_path / "runs", output_log, 60), loop)
        with pytest.raises(WorkerFailed, match="FileExistsError"):
            await variant.start(2)
        return variant.ready

    assert on_loop(scene()) == 0
    assert list((tmp_path / "runs").iterdir()) == []


def test_one_that_came_up_while_another_failed_is_ended(loop, on_loop, launcher, plan_for, output_log, tmp_path):
    plan = plan_for("def model_fn(d): return 1\ndef transform_fn(m, b, c, a): pass\n")
    launched = []

    async def scene():
        both = asyncio.Event()

        async def launch():
            if not launched:
                launched.append(None)
                await both.wait()
                raise WorkerFailed("no")
            process = await launcher.launch(plan, tmp_path / "runs", output_log, 60)
            launched.append(process)
            both.set()  # the failure is known first, and both before anybody hears of it
            await asyncio.sleep(0)
            return process

        variant = Variant("v", launch, loop)
        with pytest.raises(WorkerFailed, match="no"):
            await variant.start(2)
        return variant.ready, launched[1].ended.done()

    assert on_loop(scene()) == (0, True)


def test_a_client_that_left_does_not_confuse_the_answers(variant, on_loop, tmp_path):
    async def scene():
        await variant.start(1)
        pid = (await variant.submit(message("hi"))).body
        gone = variant.submit(message(f"wait {tmp_path / 'go'}"))
        after = variant.submit(message("raise mine"))
        gone.cancel()
        (tmp_path / "go").touch()
        return pid, (await after).body, (await variant.submit(message("hi"))).body

    before, mine, after = on_loop(scene())
    assert mine == b"ValueError: mine"
    assert before == after
