"""Application Auto Scaling: the instance counts of endpoints' variants follow their metrics."""
