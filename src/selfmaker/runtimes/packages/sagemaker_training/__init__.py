"""Stands in for the SageMaker training toolkit: what users' scripts ask of it while a job runs.

It stands alone (standard library; NumPy for the encoders) and runs on Python 3.8 and later. The toolkit's other half,
which prepares and starts the user's program, is done before the program starts.
"""
