"""What a machine is told: an event's name and the facts that came with it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import attrs

NOTHING: Mapping[str, object] = MappingProxyType({})


@attrs.frozen(init=False)
class Event:
    """Something happened. `name` is declared in the definition, `data` is for actions, outcomes and the tape.

    `data` holds only what JSON can carry (str, int, float, bool, None, lists and mappings of these), so that a
    tape loses nothing. `cause` says in a few words what was seen (`pidfd readable`, `uevent remove@…`).
    """

    name: str
    data: Mapping[str, object] = NOTHING
    cause: str = ""

    def __init__(self, name: str, data: Mapping[str, object] = NOTHING, cause: str = "") -> None:
        # As attrs would do it, by half the time: an event is made for whatever happens.
        _set_name(self, name)
        _set_data(self, data)
        _set_cause(self, cause)


_set_name, _set_data, _set_cause = (vars(Event)[field].__set__ for field in ("name", "data", "cause"))
