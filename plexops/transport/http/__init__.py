"""HTTP over our own sockets."""
