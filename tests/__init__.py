"""The tests of plexops. What several suites share is imported as `tests.SUITE.MODULE`."""
