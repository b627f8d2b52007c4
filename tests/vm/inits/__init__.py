"""What PID 1 does in the guests of the tests: each module is one entry with a ``main()``."""
