"""What the scripts beside this file share."""
