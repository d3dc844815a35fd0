"""Functions: a handler in a sandbox of its own, kept warm between calls. Knows nothing of AWS's operations."""
