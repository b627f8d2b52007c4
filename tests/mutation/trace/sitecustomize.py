"""First in the path of a traced run: whatever Python it starts is traced too, for the test that has started it."""

import coverage

coverage.process_startup()
