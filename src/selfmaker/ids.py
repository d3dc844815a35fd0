"""Identifiers that nobody chooses."""

import os
import secrets
import uuid


def request_id() -> str:
    """A fresh x-amzn-RequestId."""
    text = os.urandom(16).hex()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"


def unique_id() -> str:
    """32 hexadecimal characters that never repeat; safe as a file name."""
    return uuid.uuid4().hex


def access_key_id() -> str:
    """A 20-character access key id of the form AWS uses (``AKIA`` + 16 of base32)."""
    return "AKIA" + "".join(secrets.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") for _ in range(16))


def secret_access_key() -> str:
    """A 40-character secret."""
    return secrets.token_urlsafe(30)
