"""From the files that a user writes to the typed model: every value with its place, every error with its cure."""
