"""Athena: SQL over the tables of the catalog, answered by DuckDB in a sandbox."""
