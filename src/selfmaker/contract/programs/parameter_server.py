"""One host of a TensorFlow job with parameter servers: a server, and the script beside it as master or worker.

    parameter_server.py -- COMMAND...

TF_CONFIG has the cluster and the script's own task. As AWS's image does it: every host runs a parameter server, the
first host's script is the master, and the servers of the others stay until the master has ended. Runs in the job's
sandbox, with the environment's TensorFlow (Python 3.8 and later).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

ENDED = Path("/opt/selfmaker/company/master-has-ended")  # in the folder that the hosts of the job share
SERVER = """
import json, sys
import tensorflow as tf
cluster, index = json.loads(sys.argv[1]), int(sys.argv[2])
without_gpu = tf.compat.v1.ConfigProto(device_count={"GPU": 0})
tf.distribute.Server(tf.train.ClusterSpec(cluster), job_name="ps", task_index=index, config=without_gpu).join()
"""


def main(given: list[str]) -> int:
    command = given[1:] if given[:1] == ["--"] else given
    config: dict[str, Any] = json.loads(os.environ["TF_CONFIG"])
    hosts = json.loads(os.environ["SM_HOSTS"])
    index = hosts.index(os.environ["SM_CURRENT_HOST"])
    without = {name: value for name, value in os.environ.items() if name != "TF_CONFIG"}
    server = subprocess.Popen([sys.executable, "-c", SERVER, json.dumps(config["cluster"]), str(index)], env=without)
    try:
        code = _followed(command)
        if config["task"]["type"] == "master":
            ENDED.touch()
        elif code == 0:
            while server.poll() is None and not ENDED.exists():
                time.sleep(0.5)
        return code
    finally:
        server.kill()


def _followed(command: list[str]) -> int:
    process = subprocess.Popen(command)

    def pass_on(number: int, _frame: FrameType | None) -> None:
        process.send_signal(number)

    signal.signal(signal.SIGTERM, pass_on)
    code = process.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
