"""What a job's files are stored by."""

from types import SimpleNamespace

from selfmaker.jobs.folder import JobFolder
from selfmaker.jobs.surroundings import Surroundings


def test_a_server_that_is_killed_while_it_publishes_leaves_nothing_to_publish(tmp_path):
    """The next server stores whatever is in the output's folder."""
    folder = JobFolder(tmp_path)
    output = folder.host("algo-1") / "outputs" / "0"
    output.mkdir(parents=True)
    (output / "a.txt").write_text("a")
    seen = []

    def put_file(bucket, key, source, *, move):
        seen.append((bucket, key, source.read_text(), [path.name for path in output.iterdir()]))

    around = SimpleNamespace(objects=SimpleNamespace(put_file=put_file))
    Surroundings.put(around, folder, output / "a.txt", "s3://bucket/out/a.txt")
    assert seen == [("bucket", "out/a.txt", "a", ["a.txt"])]
