"""The tests of tools/test-console: an emulated machine with its serial lines, and what is asked of it."""
