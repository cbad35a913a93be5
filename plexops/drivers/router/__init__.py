"""Routers, each by its profile."""
