"""What plexops costs, beside ssh, ansible and pyinfra in one run on the same home. `python -m tests.bench`."""
