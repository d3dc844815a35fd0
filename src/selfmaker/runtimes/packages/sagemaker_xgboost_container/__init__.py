"""Stands in for the XGBoost container's package: what users' scripts import of it, and its algorithm mode.

It stands alone (standard library, NumPy, SciPy, pandas, PyArrow, XGBoost) and runs on Python 3.8 and later.
"""
