"""SageMaker on machines you own.

``import selfmaker; selfmaker.activate()`` points every AWS client of this process at the local server.
"""

__version__ = "0.1.0"
