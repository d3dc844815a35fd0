"""Filters and joins, record by record."""

import json

import pytest

from selfmaker.transform.data_processing import Filters, Unprocessable, data_processing
from selfmaker.transform.splitting import Batch


def csv(**filters):
    return data_processing(Filters(**filters), "text/csv; charset=utf-8", "Line", "Line")


def lines(data, first=1):
    return Batch(first, data.count(b"\n"), data)


def test_quotes_survive_filters_and_joins():
    batch = lines(b'1,"a, b",x\n2,"say ""hi""",y\n')
    processing = csv(input_filter="$[1:]", join_source="Input")
    assert processing.request(batch) == b'"a, b",x\n"say ""hi""",y\n'
    assert processing.output(batch, b"0.5\n0.7\n") == b'1,"a, b",x,0.5\n2,"say ""hi""",y,0.7\n'
    picked = csv(join_source="Input", output_filter="$[1,-1]")
    assert picked.output(batch, b"0.5\n0.7") == b'"a, b",0.5\n"say ""hi""",0.7\n'


def test_blank_lines_and_carriage_returns_are_passed_over():
    batch = lines(b"1,2\r\n\r\n3,4\r\n")
    assert csv(input_filter="$[0]").request(batch) == b"1\n3\n"
    assert csv(join_source="Input").output(batch, b"a\r\nb\r\n") == b"1,2,a\n3,4,b\n"


def test_a_row_that_cannot_be_read_is_named_by_its_line():
    with pytest.raises(Unprocessable, match="record 12: Unable to parse the input as CSV"):
        csv(input_filter="$[0]").request(lines(b'1,2\n"open,2\n', first=11))
    with pytest.raises(Unprocessable, match="record 12: it is not UTF-8"):
        csv(input_filter="$[0]").request(lines(b"1,2\n\xff,2\n", first=11))


def test_json_lines_keep_what_they_hold():
    processing = data_processing(
        Filters(input_filter="$.f", join_source="Input"), "application/jsonlines", "Line", "None"
    )
    batch = lines('{"id":"é","f":[1.5,2]}\n[3]\n'.encode())
    with pytest.raises(Unprocessable, match=r"record 2: InputFilter \$\.f: there is no member 'f'"):
        processing.request(batch)
    whole = data_processing(Filters(join_source="Input"), "application/jsonlines", "Line", "None")
    made = [json.loads(line) for line in whole.output(batch, b"1\n{}\n").splitlines()]
    assert made[0] == {"id": "é", "f": [1.5, 2], "SageMakerOutput": 1}
    assert made[1] == {"SageMakerInput": [3], "SageMakerOutput": {}}


def test_answers_that_are_no_json_are_said():
    processing = data_processing(Filters(join_source="Input"), "application/json", "None", "None")
    with pytest.raises(Unprocessable, match="Failed to parse output from the algorithm as JSON"):
        processing.output(Batch(1, 1, b"{}"), b"<html>")
    with pytest.raises(Unprocessable, match="Unable to parse the input as JSON"):
        processing.output(Batch(1, 1, b"no json"), b"1")


def test_identifiers_are_added_after_the_filter():
    row = csv(inference_id=True, output_filter="$[0]").output(lines(b"1\n"), b"a,b\n").decode().strip().split(",")
    assert row[0] == "a"
    assert len(row) == 3
    processing = data_processing(Filters(inference_id=True), "application/json", "None", "None")
    value = json.loads(processing.output(Batch(1, 1, b"1"), b"[0.5]"))
    assert value["SageMakerOutput"] == [0.5]
    assert set(value) == {"SageMakerOutput", "SageMakerInferenceId", "SageMakerInferenceTime"}


@pytest.mark.parametrize(("assemble", "made"), [("Line", [b"a\n", b"b\n"]), ("None", [b"a", b"b\n"])])
def test_without_filters_answers_pass(assemble, made):
    processing = data_processing(Filters(), "image/png", "None", assemble)
    assert [processing.output(Batch(1, 1, b""), answer) for answer in (b"a", b"b\n")] == made
    assert processing.request(Batch(1, 1, b"\x89PNG")) == b"\x89PNG"
