"""The programs that run DuckDB, inside a sandbox."""
