"""SSH: connections, logins, the user's own configuration of it."""
