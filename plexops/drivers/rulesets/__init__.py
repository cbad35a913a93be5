"""Front ends: what a device answered about its packet filter, as chains and rules of the one model."""
