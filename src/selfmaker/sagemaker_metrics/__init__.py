"""SageMaker Metrics: the values that runs log, and their series."""
