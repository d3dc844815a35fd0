"""Batch transform, as plain boto3 drives it: what goes to the model, and what comes out of it."""

import gzip
import json
import struct
import time

import pytest

ECHO = """
import json, os
def model_fn(model_dir):
    return json.loads(open(model_dir + "/weights.json").read())
def input_fn(body, content_type):
    return body if isinstance(body, bytes) else body.encode()
def predict_fn(data, model):
    return data
def output_fn(prediction, accept):
    return json.dumps({"bytes": len(prediction), "text": prediction.decode("latin-1")[:200]}), "application/json"
"""

SUMS = """
import csv, io
def model_fn(model_dir):
    return None
def input_fn(body, content_type):
    return [[float(cell) for cell in row] for row in csv.reader(io.StringIO(body)) if row]
def predict_fn(rows, model):
    return [sum(row) for row in rows]
def output_fn(sums, accept):
    return "".join(f"{value:g}\\n" for value in sums), "text/csv"
"""


@pytest.fixture(scope="module")
def echo(account):
    """A model that answers with the size and the text of what it got."""
    return account.model({"weights.json": "{}"}, ECHO)


@pytest.fixture(scope="module")
def sums(account):
    """A model that answers with the sum of each CSV row, one a line."""
    return account.model({"weights.json": "{}"}, SUMS)


def test_each_object_becomes_one_output_named_after_its_relative_key(transforms, account, sums):
    base = account.unique("data")
    account.put(f"{base}/a.csv", "1,2\n3,4\n")
    account.put(f"{base}/deep/er/b.csv", "5,6\n")
    account.put(f"{base}/deep/empty.csv", "")
    outputs = transforms.succeed(sums, f"s3://{account.bucket}/{base}/", **transforms.LINES)
    assert outputs == {"a.csv.out": b"3\n7\n", "deep/er/b.csv.out": b"11\n", "deep/empty.csv.out": b""}


def asked(output):
    """What the echoing model got, request by request."""
    return [json.loads(line) for line in output.decode().splitlines()]


def texts(output):
    return [answer["text"] for answer in asked(output)]


def record_io(data):
    return struct.pack("<II", 0xCED7230A, len(data)) + data + b"\0" * (-len(data) % 4)


def tf_record(data):
    return struct.pack("<Q", len(data)) + b"CRC1" + data + b"CRC2"


@pytest.mark.parametrize(
    ("split", "strategy", "sent"),
    [
        ("None", "MultiRecord", ["a,1\nb,2\n\nc,3"]),
        ("None", "SingleRecord", ["a,1\nb,2\n\nc,3"]),
        ("Line", "MultiRecord", ["a,1\nb,2\n\nc,3"]),
        ("Line", "SingleRecord", ["a,1", "b,2", "c,3"]),
    ],
)
def test_split_type_and_batch_strategy_say_what_a_request_holds(transforms, account, echo, split, strategy, sent):
    uri = account.put(f"{account.unique('data')}/in.csv", "a,1\nb,2\n\nc,3")
    outputs = transforms.succeed(
        echo,
        uri,
        TransformInput={"SplitType": split},
        TransformOutput={"AssembleWith": "Line"},
        BatchStrategy=strategy,
    )
    assert texts(outputs["in.csv.out"]) == sent


def test_binary_records_keep_their_frames_in_batches_and_come_bare_one_by_one(transforms, account, echo):
    records = [b"first", b"the second"]
    for split, frame in (("RecordIO", record_io), ("TFRecord", tf_record)):
        whole = b"".join(map(frame, records))
        uri = account.put(f"{account.unique('data')}/in.rec", whole)
        for strategy, sent in (("MultiRecord", [whole]), ("SingleRecord", records)):
            outputs = transforms.succeed(
                echo,
                uri,
                TransformInput={"SplitType": split, "ContentType": "application/x-recordio-protobuf"},
                TransformOutput={"AssembleWith": "Line"},
                BatchStrategy=strategy,
            )
            assert texts(outputs["in.rec.out"]) == [data.decode("latin-1") for data in sent]


def test_batches_fill_the_payload_and_the_answers_keep_the_order(transforms, account, sums):
    rows = [f"{n},{'0' * 60}{n}" for n in range(50_000)]
    uri = account.put(f"{account.unique('data')}/big.csv", "\n".join(rows) + "\n")
    described = transforms.run(sums, uri, **transforms.LINES, MaxPayloadInMB=1, MaxConcurrentTransforms=3)
    out = transforms.outputs(described)["big.csv.out"]
    assert [float(line) for line in out.splitlines()] == [float(f"{2 * n:g}") for n in range(50_000)]
    log = transforms.log(described["TransformJobName"])
    assert "[sagemaker logs]: MaxConcurrentTransforms=3, MaxPayloadInMB=1, BatchStrategy=MULTI_RECORD" in log


def test_without_a_line_between_them_answers_are_put_together_as_they_are(transforms, account, echo):
    uri = account.put(f"{account.unique('data')}/in.csv", "a\nb\n")
    outputs = transforms.succeed(echo, uri, TransformInput={"SplitType": "Line"}, BatchStrategy="SingleRecord")
    assert outputs["in.csv.out"] == b'{"bytes": 1, "text": "a"}{"bytes": 1, "text": "b"}'


def test_gzip_objects_and_manifests(transforms, account, sums):
    base = account.unique("data")
    account.put(f"{base}/x/a.csv.gz", gzip.compress(b"1,2\n"))
    account.put(f"{base}/x/y/b.csv.gz", gzip.compress(b"3,4\n"))
    account.put(f"{base}/x/not-named.csv.gz", b"no gzip")
    manifest = [{"prefix": f"s3://{account.bucket}/{base}/"}, "x/a.csv.gz", "x/y/b.csv.gz"]
    uri = account.put(f"{base}/list.manifest", json.dumps(manifest))
    packed = {"CompressionType": "Gzip", "SplitType": "Line", "S3": {"S3DataType": "ManifestFile"}}
    outputs = transforms.succeed(sums, uri, **{**transforms.LINES, "TransformInput": packed})
    assert outputs == {"x/a.csv.gz.out": b"3\n", "x/y/b.csv.gz.out": b"7\n"}


def test_a_bad_object_fails_the_job_by_name_and_the_others_have_their_outputs(transforms, account, sums):
    base = account.unique("data")
    account.put(f"{base}/a.csv", "1,2\n")
    account.put(f"{base}/b.csv", "1,2\nthree,4\n")
    account.put(f"{base}/c.csv", "5,6\n")
    single = {"BatchStrategy": "SingleRecord", "ModelClientConfig": {"InvocationsMaxRetries": 0}}
    described = transforms.run(sums, f"s3://{account.bucket}/{base}/", **transforms.LINES, **single)
    assert described["TransformJobStatus"] == "Failed"
    reason = described["FailureReason"]
    assert reason.startswith(f"AlgorithmError: {account.bucket}/{base}/b.csv: record 2: ")
    assert "could not convert string to float" in reason
    assert "See job logs for more information" in reason
    assert transforms.outputs(described) == {"a.csv.out": b"3\n", "c.csv.out": b"11\n"}
    log = transforms.log(described["TransformJobName"])
    assert f"{account.bucket}/{base}/b.csv: record 2: Bad HTTP status received from algorithm: 500" in log


def test_the_bad_record_of_a_batch_is_found(transforms, account, sums):
    rows = [f"{n},1" for n in range(1000)]
    rows[612] = "six hundred and twelve,1"
    uri = account.put(f"{account.unique('data')}/in.csv", "\n".join(rows))
    described = transforms.run(sums, uri, **transforms.LINES)
    assert "in.csv: record 613: Bad HTTP status received from algorithm: 500" in described["FailureReason"]
    assert "six hundred and twelve" in described["FailureReason"]


def test_a_record_larger_than_the_payload_is_named(transforms, account, echo):
    data = b"short\n" + b"x" * (1 << 20) + b"\nshort\n" + b"y" * ((1 << 20) + 1) + b"\n"
    uri = account.put(f"{account.unique('data')}/in.csv", data)
    for strategy in ("MultiRecord", "SingleRecord"):
        described = transforms.run(
            echo, uri, TransformInput={"SplitType": "Line"}, MaxPayloadInMB=1, BatchStrategy=strategy
        )
        if strategy == "SingleRecord":
            assert "in.csv: record 4: Too much data for max payload size" in described["FailureReason"]
        else:  # the newline of record 2 is part of the payload
            assert "in.csv: record 2: Too much data for max payload size" in described["FailureReason"]
        assert transforms.outputs(described) == {}


def test_an_object_that_cannot_be_split_is_as_large_as_the_payload_unless_there_is_no_limit(transforms, account, echo):
    uri = account.put(f"{account.unique('data')}/in.bin", b"x" * (7 << 20))
    described = transforms.run(echo, uri)
    assert described["TransformJobStatus"] == "Failed"
    assert "Too much data for max payload size" in described["FailureReason"]
    outputs = transforms.succeed(echo, uri, MaxPayloadInMB=0)
    assert json.loads(outputs["in.bin.out"])["bytes"] == 7 << 20


CSV = "id1,1,2\nid2,3,4\n"


@pytest.mark.parametrize(
    ("processing", "expected"),
    [
        ({"InputFilter": "$[1:]"}, "3\n7\n"),
        ({"InputFilter": "$[1:]", "JoinSource": "Input"}, "id1,1,2,3\nid2,3,4,7\n"),
        ({"InputFilter": "$[1:]", "JoinSource": "Input", "OutputFilter": "$[0,-1]"}, "id1,3\nid2,7\n"),
        ({"InputFilter": "$[-1]", "JoinSource": "Input", "OutputFilter": "$[-1]"}, "2\n4\n"),
        ({"InputFilter": "$[1]", "OutputFilter": "$[0]"}, "1\n3\n"),
    ],
)
def test_csv_is_filtered_and_joined(transforms, account, sums, processing, expected):
    uri = account.put(f"{account.unique('data')}/in.csv", CSV)
    outputs = transforms.succeed(sums, uri, **transforms.LINES, DataProcessing=processing)
    assert outputs["in.csv.out"].decode() == expected


def test_a_long_cell_is_filtered_whole(transforms, account, echo):
    cell = "x, " * 70_000
    uri = account.put(f"{account.unique('data')}/in.csv", f'1,"{cell}"\n')
    outputs = transforms.succeed(
        echo, uri, TransformInput={"SplitType": "Line"}, DataProcessing={"InputFilter": "$[1]", "OutputFilter": "$[0]"}
    )
    assert str(len(cell) + 3) in outputs["in.csv.out"].decode()


JSONS = """
import json
def model_fn(model_dir):
    return None
def input_fn(body, content_type):
    text = body if isinstance(body, str) else body.decode()
    return [json.loads(line) for line in text.splitlines()] if "lines" in content_type else [json.loads(text)]
def predict_fn(values, model):
    return [sum(value) for value in values]
def output_fn(sums, accept):
    return "\\n".join(json.dumps({"sum": value}) for value in sums), accept
"""


@pytest.fixture(scope="module")
def jsons(account):
    return account.model({"weights.json": "{}"}, JSONS)


def test_json_lines_are_filtered_and_joined(transforms, account, jsons):
    lines = [{"id": n, "features": [n, n]} for n in range(3)]
    uri = account.put(f"{account.unique('data')}/in.jsonl", "\n".join(map(json.dumps, lines)) + "\n")
    members = {
        "TransformInput": {"SplitType": "Line", "ContentType": "application/jsonlines"},
        "TransformOutput": {"AssembleWith": "Line", "Accept": "application/jsonlines"},
    }
    joined = {"InputFilter": "$.features", "JoinSource": "Input"}
    outputs = transforms.succeed(jsons, uri, **members, DataProcessing=joined)
    assert asked(outputs["in.jsonl.out"]) == [{**line, "SageMakerOutput": {"sum": 2 * line["id"]}} for line in lines]
    cut = {**joined, "OutputFilter": "$['id','SageMakerOutput']"}
    outputs = transforms.succeed(jsons, uri, **members, DataProcessing=cut, BatchStrategy="SingleRecord")
    assert asked(outputs["in.jsonl.out"]) == [{"id": n, "SageMakerOutput": {"sum": 2 * n}} for n in range(3)]


def test_a_json_object_and_a_json_value_are_joined(transforms, account, jsons):
    base = account.unique("data")
    account.put(f"{base}/list.json", "[1,2,3]")
    outputs = transforms.succeed(
        jsons,
        f"s3://{account.bucket}/{base}/list.json",
        TransformInput={"ContentType": "application/json"},
        TransformOutput={"Accept": "application/json"},
        DataProcessing={"JoinSource": "Input"},
    )
    assert json.loads(outputs["list.json.out"]) == {"SageMakerInput": [1, 2, 3], "SageMakerOutput": {"sum": 6}}
    account.put(f"{base}/object.json", json.dumps({"name": "x", "values": [4, 5]}))
    outputs = transforms.succeed(
        jsons,
        f"s3://{account.bucket}/{base}/object.json",
        TransformInput={"ContentType": "application/json"},
        TransformOutput={"Accept": "application/json"},
        DataProcessing={"InputFilter": "$.values", "JoinSource": "Input", "OutputFilter": "$.SageMakerOutput.sum"},
    )
    assert json.loads(outputs["object.json.out"]) == 9


def test_filters_that_do_not_fit_fail_by_record(transforms, account, sums):
    uri = account.put(f"{account.unique('data')}/in.csv", "1,2\n3\n")
    described = transforms.run(sums, uri, **transforms.LINES, DataProcessing={"InputFilter": "$[1]"})
    assert "record 2: InputFilter $[1]: index 1 is outside the 1 elements" in described["FailureReason"]


def test_answers_that_are_not_one_a_record_cannot_be_joined(transforms, account, echo):
    uri = account.put(f"{account.unique('data')}/in.csv", "1,2\n3,4\n")
    described = transforms.run(echo, uri, **transforms.LINES, DataProcessing={"JoinSource": "Input"})
    assert described["TransformJobStatus"] == "Failed"
    assert "Fail to join data: mismatched line count between the input and the output" in described["FailureReason"]


ENVIRONMENT = """
import json, os
def model_fn(model_dir):
    return None
def input_fn(body, content_type):
    return body
def predict_fn(data, model):
    return {k: v for k, v in os.environ.items() if k.startswith("SAGEMAKER_") or k in ("OWN", "BOTH")}
def output_fn(prediction, accept):
    return json.dumps(prediction), "application/json"
"""


def test_the_container_learns_that_it_serves_a_batch(transforms, account):
    model = account.model({"x": "y"}, ENVIRONMENT, Environment={"OWN": "model", "BOTH": "model"})
    uri = account.put(f"{account.unique('data')}/in.csv", "1\n")
    seen = json.loads(transforms.succeed(model, uri)["in.csv.out"])
    assert seen["SAGEMAKER_BATCH"] == "true"
    assert "SAGEMAKER_BATCH_STRATEGY" not in seen
    assert "SAGEMAKER_MAX_PAYLOAD_IN_MB" not in seen
    chosen = {"MaxPayloadInMB": 2, "MaxConcurrentTransforms": 1, "BatchStrategy": "SingleRecord"}
    outputs = transforms.succeed(model, uri, Environment={"BOTH": "job"}, **chosen)
    seen = json.loads(outputs["in.csv.out"])
    assert (seen["OWN"], seen["BOTH"]) == ("model", "job")
    assert seen["SAGEMAKER_BATCH_STRATEGY"] == "SINGLE_RECORD"
    assert (seen["SAGEMAKER_MAX_PAYLOAD_IN_MB"], seen["SAGEMAKER_MAX_CONCURRENT_TRANSFORMS"]) == ("2", "1")


FLAKY = """
import os, time
def model_fn(model_dir):
    return {}
def input_fn(body, content_type):
    return body
def predict_fn(data, model):
    model[data] = model.get(data, 0) + 1
    if data == "never" or data == "late" and model[data] < 3:
        raise RuntimeError("not now")
    if data == "hang":
        time.sleep(600)
    if data == "exit":
        os._exit(7)
    return f"{data} after {model[data]}"
def output_fn(prediction, accept):
    return prediction, "text/plain"
"""


def test_failing_requests_are_sent_again_as_often_as_the_job_says(transforms, account):
    model = account.model({"x": "y"}, FLAKY, Environment={"SAGEMAKER_MODEL_SERVER_WORKERS": "1"})
    base = account.unique("data")
    account.put(f"{base}/late.csv", "late")
    assert transforms.succeed(model, f"s3://{account.bucket}/{base}/late.csv") == {"late.csv.out": b"late after 3"}
    few = {"InvocationsMaxRetries": 1}
    described = transforms.run(model, f"s3://{account.bucket}/{base}/late.csv", ModelClientConfig=few)
    assert "not now" in described["FailureReason"]
    account.put(f"{base}/hang.csv", "hang")
    short = {"InvocationsMaxRetries": 0, "InvocationsTimeoutInSeconds": 1}
    described = transforms.run(model, f"s3://{account.bucket}/{base}/hang.csv", ModelClientConfig=short)
    assert "Unable to get response from algorithm" in described["FailureReason"]
    account.put(f"{base}/exit.csv", "exit")
    described = transforms.run(model, f"s3://{account.bucket}/{base}/exit.csv", ModelClientConfig=few)
    reason = described["FailureReason"]
    assert reason.endswith("worker process ended while it was at this request. See job logs for more information")


def test_a_model_that_cannot_be_loaded_fails_the_job_with_its_reason(transforms, account):
    model = account.model({"x": "y"}, "def model_fn(model_dir):\n    raise ValueError('no such weights')\n")
    uri = account.put(f"{account.unique('data')}/in.csv", "1\n")
    described = transforms.run(model, uri)
    assert described["TransformJobStatus"] == "Failed"
    assert "no such weights" in described["FailureReason"]
    assert "no such weights" in transforms.log(described["TransformJobName"])


def test_several_instances_share_the_objects(transforms, account, sums):
    base = account.unique("data")
    for number in range(5):
        account.put(f"{base}/{number}.csv", f"{number},1\n")
    resources = {"InstanceType": "ml.m5.large", "InstanceCount": 2}
    described = transforms.run(sums, f"s3://{account.bucket}/{base}/", **transforms.LINES, TransformResources=resources)
    assert transforms.outputs(described) == {f"{n}.csv.out": b"%d\n" % (n + 1) for n in range(5)}
    name, group = described["TransformJobName"], "/aws/sagemaker/TransformJobs"
    streams = account.logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{name}/")["logStreams"]
    names = [stream["logStreamName"].split("/")[1:] for stream in streams]
    assert sorted(len(parts) for parts in names) == [1, 1, 2, 2]
    assert {parts[1] for parts in names if len(parts) == 2} == {"data-log"}


def test_captured_data_is_a_manifest_of_each_side_and_answers_get_identifiers(transforms, account, sums):
    base = account.unique("data")
    account.put(f"{base}/a.csv", "1,2\n")
    account.put(f"{base}/b.csv", "3,4\n5,6\n")
    capture = {"DestinationS3Uri": f"s3://{account.bucket}/{base}-captured", "GenerateInferenceId": True}
    described = transforms.run(sums, f"s3://{account.bucket}/{base}/", **transforms.LINES, DataCaptureConfig=capture)
    rows = [line.split(",") for line in transforms.outputs(described)["b.csv.out"].decode().splitlines()]
    assert [row[0] for row in rows] == ["7", "11"]
    assert len({row[1] for row in rows}) == 2
    assert all(time.strptime(row[2], "%Y-%m-%dT%H:%M:%SZ") for row in rows)
    keys = account.keys(f"{base}-captured/")
    hour = described["CreationTime"].astimezone(tz=__import__("datetime").timezone.utc).strftime("%Y/%m/%d/%H")
    name = described["TransformJobName"]
    assert sorted(keys) == [f"input/{hour}/{name}.json", f"output/{hour}/{name}.json"]
    stored = [json.loads(account.get(f"s3://{account.bucket}/{base}-captured/{key}")) for key in sorted(keys)]
    assert stored[0] == [{"prefix": f"s3://{account.bucket}/{base}/"}, "a.csv", "b.csv"]
    assert stored[1] == [{"prefix": f"s3://{account.bucket}/{name}/out/"}, "a.csv.out", "b.csv.out"]
