"""Asking a running supervisor: the socket, who listens behind it, and clients for programs."""
