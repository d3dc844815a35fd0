"""The organiser's end of a submission: check it, run it, keep what it came to.

python submit.py open --data ../data                      once: the challenge's data into S3
python submit.py run --entrant ada --folder ~/inbox/ada   a submission
"""

import argparse
import json
import logging
import re
import secrets
import sys
import tempfile
import time
from pathlib import Path

import sagemaker
from rules import Limits, Rejected, check, stage
from sagemaker.s3 import S3Uploader
from submission import SIDES, Challenge, Submission

HERE = Path(__file__).resolve().parent
SCORE = HERE.parent / "template" / "score.py"  # the organiser's latest, whatever copy an entrant has


def challenge_in(session: sagemaker.Session, prefix: str) -> Challenge:
    """The challenge's places, each a folder of one file; the targets are in folders that no entrant's job is given."""
    base = f"s3://{session.default_bucket()}/{prefix}"
    return Challenge(
        public=f"{base}/data/training",
        inputs={"public": f"{base}/data/public", "private": f"{base}/data/private"},
        targets={side: f"{base}/targets/{side}" for side in SIDES},
        results=f"{base}/submissions",
        score=SCORE,
    )


def open_challenge(session: sagemaker.Session, prefix: str, data: Path) -> None:
    """Store the data. The public file is the training data, the public input, and has the public targets."""
    places = challenge_in(session, prefix)
    public = (data / "public.csv").read_text()
    for uri, text in (
        (f"{places.public}/public.csv", public),
        (f"{places.inputs['public']}/data.csv", public),
        (f"{places.targets['public']}/targets.csv", public),
        (f"{places.inputs['private']}/data.csv", (data / "private_inputs.csv").read_text()),
        (f"{places.targets['private']}/targets.csv", (data / "private_targets.csv").read_text()),
    ):
        S3Uploader.upload_string_as_file_body(text, uri, sagemaker_session=session)


def submit(session: sagemaker.Session, prefix: str, entrant: str, folder: Path, limits: Limits) -> dict:
    """Run a submission. What it came to, its scores or why it was rejected, is kept in S3, too. Raises Rejected."""
    short = re.sub("[^a-zA-Z0-9]+", "-", entrant).strip("-")[:12].rstrip("-") or "entrant"
    name = f"{short}-{secrets.token_hex(4)}"
    result = {"entrant": entrant, "name": name, "time": time.time()}
    places = challenge_in(session, prefix)
    uri = f"{places.results}/{name}/result.json"
    try:
        check(folder, limits)
        with tempfile.TemporaryDirectory() as temporary:
            code = stage(folder, Path(temporary) / "code")
            role = sagemaker.get_execution_role(session)
            result["scores"] = Submission(name, code, places, session, role, limits=limits).run()
    except Rejected as rejected:
        result["rejected"] = str(rejected)
        raise
    finally:
        S3Uploader.upload_string_as_file_body(json.dumps(result), uri, sagemaker_session=session)
    return result


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter, description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    opening = commands.add_parser("open", help="store the challenge's data")
    opening.add_argument("--data", type=Path, required=True)
    running = commands.add_parser("run", help="run a submission")
    running.add_argument("--entrant", required=True)
    running.add_argument("--folder", type=Path, required=True)
    defaults = Limits()
    for name in ("training", "preprocessing", "prediction"):
        running.add_argument(f"--{name}-seconds", type=int, default=getattr(defaults, name))
    running.add_argument("--preprocessed-bytes", type=int, default=defaults.preprocessed)
    for command in (opening, running):
        command.add_argument("--prefix", default="challenge", help="below which everything is in the default bucket")
    options = parser.parse_args(arguments)
    logging.getLogger("sagemaker").setLevel(logging.WARNING)
    session = sagemaker.Session()
    if options.command == "open":
        open_challenge(session, options.prefix, options.data)
        print(f"opened: s3://{session.default_bucket()}/{options.prefix}")
        return 0
    limits = Limits(
        training=options.training_seconds,
        preprocessing=options.preprocessing_seconds,
        prediction=options.prediction_seconds,
        preprocessed=options.preprocessed_bytes,
    )
    try:
        result = submit(session, options.prefix, options.entrant, options.folder, limits)
    except Rejected as rejected:
        print(f"not scored: {rejected}", file=sys.stderr)
        return 1
    print(f"public score of {options.entrant}: {result['scores']['public']['score']:.4f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
