"""The program inside a function's sandbox."""
