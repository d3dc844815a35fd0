"""Pipelines that ``run_pipeline`` and ``get_pipeline_definition`` find by their module's name."""
