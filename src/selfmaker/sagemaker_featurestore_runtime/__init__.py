"""Feature Store's records: put, read, changed, deleted, listed."""
