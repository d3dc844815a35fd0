"""Glue's data catalog: the databases and tables that Athena reads."""
