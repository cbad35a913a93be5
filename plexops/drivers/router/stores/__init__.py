"""Stores: how the entries of a kind are made, changed, adopted and taken away, by what keeps them. They hold no family."""
