"""`python -m plexops`."""

from __future__ import annotations

from plexops.cli.main import main

if __name__ == "__main__":
    main()
