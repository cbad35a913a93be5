"""Plex's log: its signs, its story, and that in words."""
