"""Coverage-guided fuzzing of all that reads bytes which another device, or a file, may have made."""
