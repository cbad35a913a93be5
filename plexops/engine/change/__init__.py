"""Carry out a plan: mark, send, read back, prove, undo, recover, roll back."""
