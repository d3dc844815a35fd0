"""Lambda: functions in Python, each in a sandbox of its own on this machine."""
