"""The types of steps: how each starts, ends and stops."""
