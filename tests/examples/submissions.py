"""Submissions of the challenge, several at a time in one process: what the entrant of each is told.

Run with the SDK v2's interpreter, the organiser's folder as the argument. A line of the standard input is a submission:
its ``name``, its ``folder`` and ``limits``. The last line of the output says by name what came of them; null: it was
scored.
"""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

AT_A_TIME = 4


def main() -> None:
    sys.path.insert(0, sys.argv[1])
    import boto3
    from rules import Limits, Rejected
    from submit import submit

    import sagemaker

    def told(given, session):
        try:
            submit(session, "challenge", given["name"], Path(given["folder"]), Limits(**given["limits"]))
        except Rejected as rejected:
            return str(rejected)

    submissions = [json.loads(line) for line in sys.stdin]
    sessions = [sagemaker.Session(boto3.Session()) for _ in submissions]
    with ThreadPoolExecutor(AT_A_TIME) as threads:
        outcomes = list(threads.map(told, submissions, sessions))
    print(json.dumps({given["name"]: outcome for given, outcome in zip(submissions, outcomes, strict=True)}))


if __name__ == "__main__":
    main()
