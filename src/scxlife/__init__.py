"""scxlife: the explicit state machine that starts, proves, watches and buries sched_ext schedulers."""

__version__ = "0.1.0"
