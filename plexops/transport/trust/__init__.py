"""Whose key it is: keys that are known, keys that are pinned, and the verdict on the one that is offered."""
