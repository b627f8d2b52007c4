"""The lifecycle on a simulated machine: scenarios, whole runs of them, and what has to hold in each."""
