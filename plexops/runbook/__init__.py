"""Facts to conditions, and the guards. Pure: no I/O, no settings, no flags."""
