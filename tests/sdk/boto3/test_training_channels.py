"""Input channels, as the job's own process sees them."""

import gzip
import json

import pytest

COUNT_FILES = """
import json, os, pathlib
root = pathlib.Path("/opt/ml/input/data")
seen = {str(p.relative_to(root)): p.read_bytes().decode("latin-1") for p in sorted(root.rglob("*")) if p.is_file()}
host = os.environ["SM_CURRENT_HOST"]
pathlib.Path("/opt/ml/output/data", host + ".json").write_text(json.dumps(seen))
"""


def seen_by(account, *channels, **members):
    """The channels' files and their contents as each host of a job saw them: {host: {path: text}}."""
    described = account.succeed(COUNT_FILES, InputDataConfig=list(channels), **members)
    return {name.removesuffix(".json"): json.loads(text) for name, text in account.output(described).items()}


def test_a_prefix_gives_every_object_below_it_with_its_folders(account, channel):
    uri = account.put("prefix/a.csv", "1")
    account.put("prefix/deep/er/b c+d.csv", "2")
    account.put("prefix-other/no.csv", "3")
    files = seen_by(account, channel("train", uri.rsplit("/", 1)[0] + "/"))["algo-1"]
    assert files == {"train/a.csv": "1", "train/deep/er/b c+d.csv": "2"}


def test_a_prefix_without_slash_is_a_prefix_of_keys_as_in_s3(account, channel):
    account.put("half/train-1.csv", "1")
    account.put("half/train-2.csv", "2")
    account.put("half/test-1.csv", "3")
    files = seen_by(account, channel("train", f"s3://{account.bucket}/half/train"))["algo-1"]
    assert sorted(files.values()) == ["1", "2"]


def test_a_single_object_is_one_file_of_its_name(account, channel):
    uri = account.put("single/data.csv", "x,y")
    assert seen_by(account, channel("train", uri))["algo-1"] == {"train/data.csv": "x,y"}


def test_two_channels_lie_in_folders_of_their_own(account, channel):
    one, two = account.put("two/one.csv", "1"), account.put("two/two.csv", "2")
    files = seen_by(account, channel("train", one), channel("my.validation-2", two))["algo-1"]
    assert files == {"train/one.csv": "1", "my.validation-2/two.csv": "2"}


def test_a_manifest_names_the_objects(account, channel):
    for name in ("a.csv", "sub/b.csv", "left-out.csv"):
        account.put(f"listed/{name}", name)
    manifest = account.put(
        "manifests/train.manifest", json.dumps([{"prefix": f"s3://{account.bucket}/listed/"}, "a.csv", "sub/b.csv"])
    )
    files = seen_by(account, channel("train", manifest, S3DataType="ManifestFile"))["algo-1"]
    assert {path: text for path, text in files.items() if "manifest" not in path} == {
        "train/a.csv": "a.csv",
        "train/sub/b.csv": "sub/b.csv",
    }


def test_a_manifest_that_names_a_missing_object_fails_the_job_and_says_which(account, channel):
    manifest = account.put(
        "manifests/broken.manifest", json.dumps([{"prefix": f"s3://{account.bucket}/listed/"}, "nowhere.csv"])
    )
    described = account.train(COUNT_FILES, InputDataConfig=[channel("train", manifest, S3DataType="ManifestFile")])
    assert described["TrainingJobStatus"] == "Failed"
    assert "nowhere.csv" in described["FailureReason"]


def test_sharding_gives_each_host_a_part_and_all_hosts_everything(account, channel):
    for number in range(5):
        account.put(f"shards/part-{number}", str(number))
    sharded = channel("train", f"s3://{account.bucket}/shards/", S3DataDistributionType="ShardedByS3Key")
    replicated = channel("lookup", f"s3://{account.bucket}/shards/part-0")
    hosts = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1}
    by_host = seen_by(account, sharded, replicated, ResourceConfig=hosts)
    assert sorted(by_host) == ["algo-1", "algo-2"]
    shards = {host: [t for p, t in files.items() if p.startswith("train/")] for host, files in by_host.items()}
    assert sorted(shards["algo-1"] + shards["algo-2"]) == ["0", "1", "2", "3", "4"]
    assert sorted(len(shard) for shard in shards.values()) == [2, 3]
    assert all(files["lookup/part-0"] == "0" for files in by_host.values())


def test_gzip_channels_are_given_decompressed(account, channel):
    uri = account.put("zipped/data.csv.gz", gzip.compress(b"plain text"))
    files = seen_by(account, channel("train", uri, CompressionType="Gzip", ContentType="text/csv"))["algo-1"]
    assert list(files.values()) == ["plain text"]


def test_without_a_compression_type_bytes_arrive_as_they_are(account, channel):
    packed = gzip.compress(b"plain text")
    files = seen_by(account, channel("train", account.put("asis/data.csv.gz", packed)))["algo-1"]
    assert files["train/data.csv.gz"].encode("latin-1") == packed


def test_fast_file_mode_shows_the_same_files(account, channel):
    uri = account.put("fast/data.csv", "1,2,3")
    files = seen_by(account, channel("train", uri, InputMode="FastFile"))["algo-1"]
    assert files == {"train/data.csv": "1,2,3"}


def test_a_job_that_rewrites_its_input_leaves_the_object_alone(account, channel):
    uri = account.put("scratch/data.csv", "original")
    source = """
import pathlib
path = pathlib.Path("/opt/ml/input/data/train/data.csv")
with path.open("r+") as file:
    file.write("REWRITTEN")
print("now:", path.read_text())
path.unlink()
"""
    described = account.succeed(source, InputDataConfig=[channel("train", uri)])
    assert any("now: REWRITTEN" in line for line in account.log(described["TrainingJobName"]))
    assert account.get(uri) == b"original"


def test_an_empty_prefix_is_refused_by_its_uri(account, channel):
    uri = f"s3://{account.bucket}/there/is/nothing/"
    with pytest.raises(account.sagemaker.exceptions.ClientError) as caught:
        account.create(COUNT_FILES, InputDataConfig=[channel("train", uri)])
    error = caught.value.response["Error"]
    assert error["Code"] == "ValidationException"
    assert f'No S3 objects found under S3 URL "{uri}"' in error["Message"]


def test_an_object_overwritten_while_the_job_runs_keeps_its_old_bytes_for_the_job(account, channel):
    uri = account.put("frozen/data.csv", "before")
    source = """
import pathlib, time
print("ready", flush=True)
time.sleep(1)
print("text:", pathlib.Path("/opt/ml/input/data/train/data.csv").read_text())
"""
    name = account.create(source, InputDataConfig=[channel("train", uri)])
    account.until_logged(name, "ready")
    account.put("frozen/data.csv", "after")
    assert account.ended(name)["TrainingJobStatus"] == "Completed"
    assert any("text: before" in line for line in account.log(name))
