"""Stands in for the SageMaker inference toolkit: content types, encoders, errors, and the default handlers' interface.

It stands alone (standard library; NumPy for the encoders) and runs on Python 3.8 and later. Its model server is not
needed: a script's functions are called directly.
"""
