"""What AWS's image ``sagemaker-model-monitor-analyzer`` does: statistics of a dataset, suggested constraints, and what
of a dataset violates earlier ones. The forms of the files are those of AWS's developer guide ("Interpret results")."""
