"""One module per host firewall."""
