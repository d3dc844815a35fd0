"""More jobs than the machine has room for."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest

RUNS_UNTIL_STOPPED = "import time\nprint('ready', flush=True)\ntime.sleep(600)"
STAMP = "import time, pathlib; pathlib.Path('/opt/ml/model/at').write_text(str(time.time()))"


def last_message(described):
    return described["SecondaryStatusTransitions"][-1].get("StatusMessage", "")


@pytest.fixture
def narrow(new_server, account_on):
    """An account on a server with room for one instance."""
    return account_on(new_server(slots="1"))


def test_jobs_wait_in_line_say_so_and_start_in_order(narrow):
    first = narrow.create(RUNS_UNTIL_STOPPED)
    narrow.until_logged(first, "ready")
    waiting = [narrow.create(STAMP, base="waiting") for _ in range(3)]
    described = narrow.until(
        waiting[2], lambda d: "2 jobs ahead" in d["SecondaryStatusTransitions"][-1].get("StatusMessage", "")
    )
    assert described["TrainingJobStatus"] == "InProgress"
    assert described["SecondaryStatus"] in ("Pending", "Starting")
    assert "TrainingStartTime" not in described
    narrow.sagemaker.stop_training_job(TrainingJobName=first)
    ended = [narrow.ended(name) for name in waiting]
    assert [d["TrainingJobStatus"] for d in ended] == ["Completed"] * 3
    times = [float(narrow.artifact(d)["at"]) for d in ended]
    assert times == sorted(times)
    for earlier, later in itertools.pairwise(ended):
        assert earlier["TrainingEndTime"] <= later["TrainingEndTime"]


def test_a_waiting_job_can_be_stopped_before_it_ever_starts(narrow):
    first = narrow.create(RUNS_UNTIL_STOPPED)
    narrow.until_logged(first, "ready")
    second = narrow.create(STAMP)
    narrow.sagemaker.stop_training_job(TrainingJobName=second)
    described = narrow.ended(second)
    assert described["TrainingJobStatus"] == "Stopped"
    assert "TrainingStartTime" not in described
    assert narrow.log(second) == []
    narrow.sagemaker.stop_training_job(TrainingJobName=first)
    narrow.ended(first)


def test_two_clients_creating_one_name_at_once_make_exactly_one_job(account):
    name = account.unique("race")
    request = account.request(name, "print('once')")
    clients = [account.server.client("sagemaker") for _ in range(8)]

    def create(client):
        try:
            client.create_training_job(**request)
        except client.exceptions.ResourceInUse:
            return "in use"
        return "created"

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(create, clients))
    assert sorted(answers) == ["created"] + ["in use"] * 7
    account.ended(name)
    assert account.log(name).count("once") == 1
    found = account.sagemaker.list_training_jobs(NameContains=name)["TrainingJobSummaries"]
    assert len(found) == 1
