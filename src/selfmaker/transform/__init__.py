"""Batch transform: objects cut into requests, a model's answers put together, one ``.out`` object for each."""
