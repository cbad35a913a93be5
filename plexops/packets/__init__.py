"""The walk: what a connection from outside really meets on the boxes of a home."""
