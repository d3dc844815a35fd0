"""Channels in Pipe mode."""

import json
import struct

import pytest
from botocore.exceptions import ClientError

READS = """
import json, pathlib
epochs = []
for epoch in range(%d):
    with open(f"/opt/ml/input/data/train_{epoch}", "rb") as pipe:
        epochs.append(pipe.read().hex())
config = json.load(open("/opt/ml/input/config/inputdataconfig.json"))["train"]
pathlib.Path("/opt/ml/model/seen.json").write_text(json.dumps({"epochs": epochs, "config": config}))
"""


def piped(account, channel, *, epochs=1, **members):
    algorithm = {"TrainingImage": account.sklearn, "TrainingInputMode": "Pipe"}
    described = account.succeed(READS % epochs, AlgorithmSpecification=algorithm, InputDataConfig=[channel], **members)
    seen = json.loads(account.artifact(described)["seen.json"])
    return [bytes.fromhex(epoch) for epoch in seen["epochs"]], seen["config"]


def records(data):
    found = []
    while data:
        magic, length = struct.unpack("<II", data[:8])
        assert magic == 0xCED7230A
        found.append(data[8 : 8 + length])
        data = data[8 + length + -length % 4 :]
    return found


def test_each_epoch_is_a_pass_over_the_data(account, channel):
    account.put("pipe/plain/a.csv", "1\n")
    account.put("pipe/plain/b.csv", "2\n" * 100_000)
    uri = f"s3://{account.bucket}/pipe/plain/"
    epochs, config = piped(account, channel("train", uri), epochs=3)
    assert epochs == [b"1\n" + b"2\n" * 100_000] * 3
    assert config["TrainingInputMode"] == "Pipe"


def test_shuffling_changes_the_order_between_epochs(account, channel):
    for number in range(10):
        account.put(f"pipe/shuffled/{number}", f"{number}\n")
    uri = f"s3://{account.bucket}/pipe/shuffled/"
    epochs, _ = piped(account, channel("train", uri, ShuffleConfig={"Seed": 7}), epochs=2)
    assert epochs[0] != epochs[1]
    assert sorted(epochs[0].split()) == sorted(epochs[1].split()) == [b"%d" % n for n in range(10)]


def test_objects_as_records(account, channel):
    for number in range(3):
        account.put(f"pipe/records/{number}", "x" * number)
    wrapped = channel("train", f"s3://{account.bucket}/pipe/records/", RecordWrapperType="RecordIO")
    (data,), _ = piped(account, wrapped)
    assert records(data) == [b"", b"x", b"xx"]


def test_an_augmented_manifest_streams_attributes_in_order(account, channel):
    picture = account.put("pipe/augmented/1.bin", b"\x00\x01")
    lines = [json.dumps({"source-ref": picture, "label": 3, "note": "unused"})] * 2
    manifest = account.put("pipe/augmented.manifest", "\n".join(lines))
    augmented = channel("train", manifest, S3DataType="AugmentedManifestFile", RecordWrapperType="RecordIO")
    augmented["DataSource"]["S3DataSource"]["AttributeNames"] = ["source-ref", "label"]
    (data,), _ = piped(account, augmented)
    assert records(data) == [b"\x00\x01", b"3"] * 2


def test_a_job_that_leaves_its_pipe_unread_still_ends(account, channel):
    account.put("pipe/unread/a", "1" * 1_000_000)
    algorithm = {"TrainingImage": account.sklearn, "TrainingInputMode": "Pipe"}
    source = "open('/opt/ml/input/data/train_0', 'rb').read(10); print('enough')"
    described = account.succeed(
        source,
        AlgorithmSpecification=algorithm,
        InputDataConfig=[channel("train", f"s3://{account.bucket}/pipe/unread/")],
    )
    assert "enough" in account.log(described["TrainingJobName"])


def test_what_only_pipes_can_do_is_refused_elsewhere(account, channel):
    uri = account.put("pipe/refused/a", "1")
    with pytest.raises(ClientError, match="RecordWrapperType"):
        account.create("pass", InputDataConfig=[channel("train", uri, RecordWrapperType="RecordIO")])
    with pytest.raises(ClientError, match="AttributeNames"):
        account.create("pass", InputDataConfig=[channel("train", uri, S3DataType="AugmentedManifestFile")])
