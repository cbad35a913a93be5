"""One module per command, listed in `cli/main.py`."""
