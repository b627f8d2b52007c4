"""Writing without waiting to descriptors whose flags are not ours to change."""

from __future__ import annotations

import errno
import os
import select
import signal
import stat

# What a pipe has room for when poll(2) finds it writable: PIPE_BUF, pipe(7).
_PIPE_PIECE = 4096
# A terminal tells of room for any number of bytes. Its buffers grow by 256.
_TERMINAL_PIECE = 128


def write_now(fd: int, data: bytes) -> int:
    """Write what `fd` takes at this moment; returns how many bytes that was. Raises OSError, EAGAIN for none."""
    mode = os.fstat(fd).st_mode
    if stat.S_ISREG(mode) or stat.S_ISBLK(mode):
        return os.write(fd, data)
    if stat.S_ISSOCK(mode):
        return _send(fd, data)
    poller = select.poll()
    poller.register(fd, select.POLLOUT)
    if not poller.poll(0):
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    if not stat.S_ISCHR(mode):
        return os.write(fd, data[:_PIPE_PIECE])
    piece = data if not os.get_blocking(fd) else data[:_TERMINAL_PIECE]
    # A terminal with `tostop` stops a background process that writes, unless it blocks the signal: tty_check_change.
    former = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTTOU,))
    try:
        return os.write(fd, piece)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)


def writable_fd(fd: int) -> int:
    """An epoll descriptor that turns readable when `fd` is writable. Raises OSError, EPERM for a regular file."""
    with select.epoll() as epoll:
        epoll.register(fd, select.EPOLLOUT)
        # Its object closes the number that it has, so the number is copied.
        return os.dup(epoll.fileno())


def _send(fd: int, data: bytes) -> int:
    import socket

    there = socket.socket(fileno=fd)
    try:
        return there.send(data, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
    finally:
        there.detach()
