"""Pipelines: the definition language, its rules, and the walk through the steps. It starts jobs through a port."""
