"""Ask the devices of a site, and keep what they answer."""
