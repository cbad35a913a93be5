"""Plex's log: its story, and that in words."""
