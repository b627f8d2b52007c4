"""Where a scheduler's events come from. Each source stands on the port and keeps `fsm.sources.EventSource`.

All have `degraded`: None, or why less can be seen than usual.
"""
