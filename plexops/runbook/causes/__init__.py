"""What may be wrong, stop by stop: how it shows, what it means, what to do."""
