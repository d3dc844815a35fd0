from selfmaker.jobs import states


def test_a_move_closes_the_stretch_before() -> None:
    progress = states.moved({"attempt": 1}, states.PREPARING, 10.0)
    progress = states.moved(progress, states.RUNNING, 12.0, "go")
    assert progress["attempt"] == 1
    assert progress["transitions"] == [
        {"status": "Preparing", "start": 10.0, "end": 12.0},
        {"status": "Running", "start": 12.0, "message": "go"},
    ]


def test_a_clock_that_steps_back_makes_no_negative_stretch() -> None:
    progress = states.moved(states.moved({}, states.RUNNING, 12.0), states.COMPLETED, 11.0)
    assert progress["transitions"][0]["end"] == 12.0
    assert progress["transitions"][1]["end"] == 11.0


def test_order() -> None:
    assert states.before(states.QUEUED, states.PREPARING)
    assert states.before(states.FINISHING, states.FAILED)
    assert not states.before(states.RUNNING, states.LOADING)
    assert not states.before(states.COMPLETED, states.FAILED)
