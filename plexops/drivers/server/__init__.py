"""The Plex host."""
