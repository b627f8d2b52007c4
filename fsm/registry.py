"""Who makes the event sources that a definition declares: the embedding program, or an installed distribution.

A definition says `sources: {wall: fifo}`: a name, and the kind of source that stands behind it. The program that runs
the machine brings makers for its own kinds. Any other kind is looked up among the installed distributions, which
register a maker as an entry point of the group `scxlife.sources`, under the name of the kind.

A maker is asked once for each declared source, before the machine starts, and gives a factory; the factory makes a
source each time the driver opens one. So what is wrong with the settings is said before anything was started.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

import attrs

from .definition import Definition, Value
from .sources import EventSource, SourceFactory

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "scxlife.sources"

_METHODS = tuple(name for name in vars(EventSource) if not name.startswith("_"))
_WORDS = {str: "text", bool: "true or false", int: "a whole number", float: "a duration or a number"}

T = TypeVar("T", str, bool, int, float)


class SourceError(Exception):
    """A source that a definition declares can't be had. The message names the source, its kind and the way out."""


@attrs.frozen
class DeclaredSource:
    """A source as a definition declares it: all that a maker is given.

    It is not given the table: a source tells facts and must not know what follows from them. `events` are the names
    of the events that the definition expects of this source, `settings` all of the machine's, `clock` gives the
    monotonic seconds that the driver reckons with.
    """

    name: str
    kind: str
    machine: str
    events: tuple[str, ...]
    settings: Mapping[str, Value]
    clock: Callable[[], float]

    def setting(self, option: str, wanted: type[T]) -> T:
        """The machine's setting `<source's name>_<option>`, so that two sources of a kind have each their own.

        Durations are seconds as float. Raises SourceError when it is missing or not of the type `wanted`.
        """
        name = f"{self.name}_{option}"
        if name not in self.settings:
            raise self.error(f"it needs the setting {name!r} ({_WORDS[wanted]}): declare it under `settings:`")
        value = self.settings[name]
        if wanted is float and type(value) is int:
            return wanted(value)
        if type(value) is not wanted:
            raise self.error(f"its setting {name!r} must be {_WORDS[wanted]}, not {value!r}")
        return value

    def error(self, what: str) -> SourceError:
        """For a maker to raise: `what` is wrong, after the words that say where."""
        return SourceError(f"source {self.name!r} of machine {self.machine!r}, kind {self.kind!r}: {what}")


SourceMaker = Callable[[DeclaredSource], SourceFactory]
"""What an entry point of the group loads to, and what a program brings for its own kinds. Raises SourceError (best
by `DeclaredSource.error`) for settings or events that it can't work with."""

_NONE: Mapping[str, SourceMaker] = MappingProxyType({})


def sources_for(
    definition: Definition,
    own: Mapping[str, SourceMaker] = _NONE,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, SourceFactory]:
    """What a driver needs: a factory for each source that `definition` declares. A kind of null stays silent.

    `own` holds the program's makers by kind; they go before installed ones. `clock` is the driver's. Raises
    SourceError for a kind that nobody makes or that two distributions make, and for a maker that can't be used.
    """
    factories = {}
    for name, kind in definition.sources.items():
        if kind is None:
            continue
        events = tuple(event.name for event in definition.events.values() if event.source == name)
        declared = DeclaredSource(name, kind, definition.name, events, definition.settings, clock)
        factories[name] = own[kind](declared) if kind in own else _installed(declared, own)
    return factories


def _installed(declared: DeclaredSource, own: Iterable[str]) -> SourceFactory:
    # Only here: a program that brings all of its kinds, such as a guest's PID 1, does not pay for this import.
    from importlib.metadata import entry_points

    registered = entry_points(group=GROUP)
    found = [entry for entry in registered if entry.name == declared.kind]
    if not found:
        raise _nobody(declared, own, registered)
    if len(found) > 1:
        raise declared.error(f"made by {' and by '.join(map(_origin, found))}: uninstall one of them")
    return _checked(declared, found[0])


def _checked(declared: DeclaredSource, entry: EntryPoint) -> SourceFactory:
    origin = _origin(entry)
    try:
        maker = entry.load()
    except Exception as error:  # importing it runs any code
        raise declared.error(f"{origin} can't be loaded: {_said(error)}") from error
    if not callable(maker):
        raise declared.error(f"{origin} is no maker of sources: {maker!r} can't be called")
    try:
        factory = maker(declared)
    except SourceError:
        raise
    except Exception as error:
        raise declared.error(f"{origin} failed to make it: {_said(error)}") from error
    if not callable(factory):
        raise declared.error(f"{origin} must give a callable that makes the source, not {factory!r}")

    def make() -> EventSource | None:
        source: EventSource | None = factory()
        lacking = [name for name in _METHODS if not callable(getattr(source, name, None))]
        if source is not None and lacking:
            what = f"{type(source).__name__} from {origin} is no event source: it has no {', '.join(lacking)}"
            raise declared.error(what)
        return source

    return make


def _nobody(declared: DeclaredSource, own: Iterable[str], registered: Iterable[EntryPoint]) -> SourceError:
    from .problems import did_you_mean

    known = {entry.name: _origin(entry) for entry in registered} | dict.fromkeys(own, "the program's own")
    listed = ", ".join(f"{kind} ({origin})" for kind, origin in sorted(known.items())) or "none"
    hint = did_you_mean(declared.kind, known)
    way_out = f"install a distribution that has it as an entry point of {GROUP!r}, or correct `sources:`"
    return declared.error(f"nobody makes that kind{hint}\nknown kinds: {listed}\n{way_out}")


def _origin(entry: EntryPoint) -> str:
    if entry.dist is None:
        return entry.value
    return f"{entry.dist.name} {entry.dist.version} ({entry.value})"


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
