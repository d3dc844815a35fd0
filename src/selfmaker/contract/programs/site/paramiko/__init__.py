"""As much of paramiko as SDK v3's MPI driver asks of it: whether another host of the job can be reached.

Stands in for it in jobs with that driver only, whose hosts reach each other by sockets in a shared folder.
"""

import socket
from typing import Any

from paramiko import client as client
from paramiko.client import SSHException as SSHException

COMPANY = "/opt/selfmaker/company"


class SSHClient:
    """A connection that is made, and closed."""

    def load_system_host_keys(self) -> None:
        """There are no keys: only hosts of the job can be reached."""

    def set_missing_host_key_policy(self, policy: object) -> None:
        """As above."""

    def connect(self, hostname: str, **_options: Any) -> None:
        """Raises OSError where the host does not listen yet."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(f"{COMPANY}/{hostname}.sock")

    def close(self) -> None:
        """Nothing is open."""

    def __enter__(self) -> "SSHClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
