"""A struct_ops link that the supervisor itself has a descriptor of, by way of a bpf file system."""

from __future__ import annotations

from .clock import Clock
from .descriptors import Description
from .struct_ops import Link
from .threads import Code, Thread


class PinnedLink(Description):
    name = "anon_inode:bpf_link"

    def __init__(self, clock: Clock, link: Link) -> None:
        self._clock = clock
        self._link = link
        link.holders += 1

    def fdinfo(self) -> str:
        return self._link.fdinfo()

    def close(self) -> None:
        _LettingGo(self._clock, self._link).start()


class _LettingGo(Thread):
    def __init__(self, clock: Clock, link: Link) -> None:
        super().__init__(clock, self._drop(link))

    def _drop(self, link: Link) -> Code[None]:
        yield from link.drop(self)
