"""Stands in for the scikit-learn container's package."""
