"""The model worker: the program that runs inside the model's environment and sandbox.

It stands alone: standard library only (NumPy and the frameworks are imported where the environment has them), Python
3.8 and later, relative imports, no import of the rest of selfmaker. The server imports only ``transport`` from here.
"""
