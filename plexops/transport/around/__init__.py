"""What can be asked around this computer without a login, and services outside that try a port."""
