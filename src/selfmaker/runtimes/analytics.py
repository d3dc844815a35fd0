"""The environment of the programs that write and read tables: DuckDB, SQLGlot, and the server's own Python."""

import sys

from selfmaker.runtimes.base import EnvironmentRequest


def analytics_environment() -> EnvironmentRequest:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return EnvironmentRequest(name="analytics", python=version, requirements=("duckdb>=1.1", "sqlglot>=26"))
