"""What a run leaves behind: its folder, its journal, the site's lock, and masking for all that leaves this machine."""
