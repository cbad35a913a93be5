"""Resources and one device's language, without I/O: what to ask, how to understand it, what to send."""
