"""The names of paramiko.client that the driver uses."""


class SSHException(Exception):
    """As paramiko's."""


class MissingHostKeyPolicy:
    """As paramiko's."""
