"""Simulated homes: real SSH and HTTPS servers on loopback that behave like the vendors' devices.

Imports nothing else of plexops, so that it cannot share a driver's mistake.
"""
