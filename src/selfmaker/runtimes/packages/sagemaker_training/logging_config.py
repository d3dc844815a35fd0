"""Logging as the toolkit sets it up."""

from __future__ import annotations

import logging


def configure_logger(level: int | str, log_format: str = "%(asctime)s %(name)-12s %(levelname)-8s %(message)s") -> None:
    logging.basicConfig(format=log_format, level=int(level) if str(level).isdigit() else level)
    if logging.getLogger().getEffectiveLevel() >= logging.INFO:
        for name in ("boto3", "s3transfer", "botocore"):
            logging.getLogger(name).setLevel(logging.WARNING)
