"""Findings that several machines share: Hypothesis's example database, on a Redis server or in a folder.

What one process finds is stored at once, in Hypothesis's own form, and run first by every other. While the server can't
be reached the attack goes on without it; what is to be stored waits for it.
"""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import TypeVar
from urllib.parse import SplitResult, urlsplit

import hypothesis
from hypothesis.database import DirectoryBasedExampleDatabase, ExampleDatabase

from scxlife.lifecycle.usage import UsageError
from scxlife.platform.sim.faults import ERRNOS

from . import strategies

FORMS = "redis://HOST[:PORT][/DB], rediss://…, unix:///SOCKET or a folder"
_REDIS, _SOCKET = ("redis", "rediss"), "unix"
# Seconds: for a server to answer, and until one that did not is asked again.
_ANSWER, _PAUSE = 5.0, 5.0
# Where Hypothesis keeps what runs far and violates nothing: it is many, and no finding.
_FAR = b".pareto"

T = TypeVar("T")


class Shared(ExampleDatabase):
    """`store`, under keys that begin with `meaning`. `lost` are the errors that it has when it can't be reached;
    `trouble` is the last of them in words, or empty. After one it is left alone for `pause` seconds
    at least."""

    def __init__(
        self, store: ExampleDatabase, meaning: bytes, lost: tuple[type[Exception], ...], pause: float = _PAUSE
    ) -> None:
        super().__init__()
        self.trouble = ""
        self._store = store
        self._meaning = meaning
        self._lost = lost
        self._pause = pause
        self._owed: list[tuple[bytes, bytes]] = []
        self._again_at = 0.0

    def fetch(self, key: bytes) -> Iterable[bytes]:
        if key.endswith(_FAR):
            return []
        return self._asked(lambda: list(self._store.fetch(self._meaning + key)), [])

    def save(self, key: bytes, value: bytes) -> None:
        if not key.endswith(_FAR):
            self._owed.append((self._meaning + key, value))
            self._asked(lambda: None, None)

    def delete(self, key: bytes, value: bytes) -> None:
        self._asked(lambda: self._store.delete(self._meaning + key, value), None)

    def _asked(self, call: Callable[[], T], otherwise: T) -> T:
        """What `call` returns, after all that is owed was stored."""
        began = time.monotonic()
        if began < self._again_at:
            return otherwise
        try:
            while self._owed:
                self._store.save(*self._owed[0])
                del self._owed[0]
            answer = call()
        except self._lost as error:
            now = time.monotonic()
            # Of a server that does not even refuse, no more than a tenth of the time is spent on waiting.
            self.trouble, self._again_at = str(error), now + self._pause * max(1.0, 2 * (now - began))
            return otherwise
        self.trouble = ""
        return answer


@cache
def shared(place: str, kernels: Sequence[str]) -> Shared:
    """The database at `place`, for draws of these kernels. One for each process. Raises UsageError."""
    store, lost = _opened(place)
    return Shared(store, _meaning(kernels), lost)


def check(place: str) -> None:
    """Raises UsageError for a place where nothing can be stored and read again."""
    store, lost = _opened(place)
    key, value = uuid.uuid4().bytes, b"scxlife"
    try:
        store.save(key, value)
        read = list(store.fetch(key))
        store.delete(key, value)
    except lost as error:
        raise UsageError(f"the database {without_password(place)} can't be used: {error}") from None
    if read != [value]:
        raise UsageError(f"the database {without_password(place)} can't be used: what is stored there is lost")


def without_password(place: str) -> str:
    """For people to read: before the host, or in the options of a socket, there may be one."""
    scheme, separator, rest = place.partition("://")
    return f"{scheme}://{rest.partition('?')[0].rpartition('@')[2]}" if separator else place


def _opened(place: str) -> tuple[ExampleDatabase, tuple[type[Exception], ...]]:
    if not place:
        raise UsageError(f"a database is {FORMS}")
    if "://" not in place:
        return _folder(Path(place)), (OSError,)
    try:
        address = urlsplit(place)
        _refuse_what_redis_would_not(address)
    except ValueError as error:
        raise UsageError(f"{without_password(place)}: {error}: a database is {FORMS}") from None
    from hypothesis.extra.redis import RedisExampleDatabase
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.exceptions import RedisError
    from redis.retry import Retry

    try:
        # Once more at once: a server closes what was idle for long.
        client = Redis.from_url(
            place, socket_timeout=_ANSWER, socket_connect_timeout=_ANSWER, retry=Retry(NoBackoff(), 1)
        )
        client.connection_pool.make_connection()
    except TypeError:
        raise UsageError(f"{without_password(place)}: it has an option that the client does not know") from None
    except ValueError as error:
        raise UsageError(f"{without_password(place)}: {error}: a database is {FORMS}") from None
    return RedisExampleDatabase(client), (RedisError, OSError)


def _refuse_what_redis_would_not(address: SplitResult) -> None:
    """Its client takes a database that is no number for the first one, and no host for this one."""
    if address.scheme not in (*_REDIS, _SOCKET):
        raise ValueError(f"{address.scheme} is no kind of database")
    if address.scheme == _SOCKET:
        if address.path in ("", "/"):
            raise ValueError("it names no socket")
        return
    if not address.hostname:
        raise ValueError("it names no host")
    if address.port == 0:
        raise ValueError("there is no port 0")
    number = address.path.strip("/")
    if number and not number.isdecimal():
        raise ValueError(f"{number} is no database's number")


def _folder(path: Path) -> ExampleDatabase:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"the database {path} can't be used: {error.strerror}") from None
    return DirectoryBasedExampleDatabase(path)


def _meaning(kernels: Sequence[str]) -> bytes:
    """What draws depend on: who draws otherwise would take another's finding for a harmless run, and delete it."""
    drawn = (hypothesis.__version__, Path(strategies.__file__).read_text(), sorted(ERRNOS.items()), tuple(kernels))
    return b"scxlife:" + hashlib.sha256(repr(drawn).encode()).hexdigest()[:16].encode() + b":"
