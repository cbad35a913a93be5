"""Plex Media Server and its account."""
