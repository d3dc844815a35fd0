"""Tables over objects, and SQL over tables: DuckDB in a sandbox of its own, the catalog in ours."""
