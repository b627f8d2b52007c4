"""What a document declares, with every name in it looked up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .definition import BY_ACTION, BY_CALLER, FAULT, VERDICT, Action, Event, Exclusion, State
from .document import NAMED, NO_NAMES, Document, Names, ReasonedDoc, RowDoc
from .durations import Seconds, parse_duration
from .findings import Findings
from .marks import VALUE
from .names import no_name
from .problems import Path, closest, shortened

# Of events that arrive together: what an action just said, then facts by the author's ranks, then deadlines.
ACTION_RANK, FACT_RANK, TIMER_RANK = -10, 0, 100

# A file in which more names than this are misspelt is another kind of mistake: looking for each takes its time.
MAX_SUGGESTIONS = 50

# Of two guards what one is to the other.
_APART = {"opposite": "is the opposite of", "excludes": "excludes"}

# Words that have a meaning of their own where such a name may stand.
RESERVED = {"sources": (BY_ACTION, BY_CALLER), "outcomes": (VERDICT,)}


class Declarations:
    """The names of one document, and what was found of each.

    A misspelt name is reported and then taken for the one it is nearest to, so that what follows from it is checked
    as well. When no name is near, `unsure` is set: the table can't be judged as a whole.
    """

    def __init__(self, document: Document, findings: Findings) -> None:
        self.doc = document
        self.findings = findings
        self.used: set[tuple[str, str]] = set()
        self.unsure = False
        self._misspelt = 0
        self.events: dict[str, Event] = {}
        self.states: dict[str, State] = {}
        self.actions: dict[str, Action] = {}
        self._form()
        self._actions()
        self._guards()
        self._events()
        self._states()
        self.initial = self.known("state", document.initial, document.states, ("initial", VALUE))
        self._groups()
        self._views()
        self._profiles()
        self._postings()

    # -- looking up --------------------------------------------------------------------------------------------

    def known(self, kind: str, name: str, among: Iterable[str], path: Path, also: Iterable[str] = ()) -> str | None:
        """The declared name that `name` is or was meant to be; None, and a problem, when there is none near."""
        if name in among or name in also:
            self.used.add((kind, name))
            return name
        names = [*among, *also]
        if kind in ("event", "setting") and _is_time(name):
            self.unsure = True
            self.findings.add(path, f"unknown-{kind}", f"{name!r} is a time, and {_INSTEAD_OF_TIME[kind]}")
            return None
        meant = self.suggestion(name, names)
        if meant is None:
            self.unsure = True
            known = f"; known: {_listed(names)}" if names else "; none is declared"
            self.findings.add(path, f"unknown-{kind}", f"unknown {kind} {shortened(name)!r}{known}")
            return None
        self.findings.add(path, f"unknown-{kind}", f"unknown {kind} {name!r}; did you mean {meant!r}?")
        self.used.add((kind, meant))
        return meant

    def suggestion(self, name: str, among: Iterable[str]) -> str | None:
        """What a misspelt name was probably meant to be."""
        self._misspelt += 1
        return closest(name, among) if self._misspelt <= MAX_SUGGESTIONS else None

    def each(self, names: Names, path: Path) -> Iterator[tuple[str, Path]]:
        """Every name with its own path, also where one stands without a list."""
        for index, name in enumerate(names):
            yield name, (*path, index)

    def guards_of(self, row: RowDoc | ReasonedDoc, path: Path) -> tuple[tuple[str, bool, Path], ...]:
        """Each guard that the row names, whether it must hold, and where it stands. What can't be told is taken for a
        guard of its own."""
        found = []
        for key, names, holds in (("if", row.if_, True), ("unless", row.unless, False)):
            for name, where in self.each(names, (*path, key)):
                meant = [(name, True)] if name in self.doc.guards else self._expression(name, key, where)
                if meant is None:
                    meant = [(self.known("guard", name, self.doc.guards, where) or name, True)]
                self.used |= {("guard", guard) for guard, _ in meant}
                found += [(guard, holds is wanted, where) for guard, wanted in meant]
        return tuple(found)

    def _expression(self, text: str, key: str, path: Path) -> list[tuple[str, bool]] | None:
        """The guards in an expression of another language, which is reported; None where it is none."""
        from .habits import expression  # only a mistake pays for it

        read = expression(text, key, self.doc.guards)
        if read is None:
            return None
        self.findings.add(path, "unknown-guard", f"{text!r} is no guard, and nothing is evaluated here; {read.hint}")
        self.used |= {("guard", guard) for guard in read.guards}
        self.unsure |= not read.meant
        return read.meant or [(text, True)]

    def all_known(self, kind: str, names: Names, among: Iterable[str], path: Path) -> tuple[str, ...]:
        found = (self.known(kind, name, among, where) for name, where in self.each(names, path))
        return tuple(name for name in found if name is not None)

    def outcome(self, text: str, path: Path, also: tuple[str, ...] = ()) -> str:
        """An outcome, with its reason where it has reasons."""
        kind, _, reason = text.partition("/")
        known = self.known("outcome", kind, self.doc.outcomes, path, also)
        if known is None or known not in self.doc.outcomes:
            return text
        reasons = self.doc.outcomes[known].reasons
        if reason or text.endswith("/"):
            meant = self.known("reason", reason, reasons, path)
            self.used.add(("outcome", f"{known}/{meant}"))
            return f"{known}/{meant}"
        if reasons:
            text = f"outcome {known!r} needs one of its reasons: {_listed(reasons)}"
            self.findings.add(path, "missing-reason", text)
        return known

    # -- declaring ---------------------------------------------------------------------------------------------

    def _form(self) -> None:
        doc = self.doc
        if (text := no_name(doc.machine)) is not None:
            self.findings.add(("machine", VALUE), "bad-name", text)
        for section in NAMED:
            for name in getattr(doc, section):
                if name in RESERVED.get(section, ()):
                    self.findings.add((section, name), "name-taken", f"{name!r} has a meaning of its own here")
        for name in doc.groups:
            if name in doc.states:
                self.findings.add(("groups", name), "name-taken", f"group {name!r} has the name of a state")
        for name in doc.views:
            if name in doc.groups:
                self.findings.add(("views", name), "name-taken", f"view {name!r} has the name of a group")

    def _actions(self) -> None:
        for name, action in self.doc.actions.items():
            path: Path = ("actions", name, "posts")
            posts = self.all_known("event", action.posts, self.doc.events, path)
            for event, where in self.each(action.posts, path):
                declared = self.doc.events.get(event)
                if declared is not None and declared.source != BY_ACTION:
                    text = f"action {name!r} posts {event!r}, whose source is {declared.source or 'a timer'}"
                    self.findings.add(where, "not-postable", f"{text}: only events of `source: action` can be posted")
            self.actions[name] = Action(name, action.doc, posts)
        if self.doc.actions and FAULT not in self.doc.events:
            self.unsure = True
            text = f"a machine with actions declares what happens when one fails: the event {FAULT!r} of source action"
            self.findings.add(("events",), "missing-key", text)

    def _guards(self) -> None:
        """The answers that guards never give together: of opposites both of the same, of others both `true`."""
        found: dict[Exclusion, None] = {}
        for name, guard in self.doc.guards.items():
            opposites = NO_NAMES if guard.opposite is None else Names((guard.opposite,))
            for key, others, answers in (
                ("opposite", opposites, (True, False)),
                ("excludes", guard.excludes, (True,)),
            ):
                path: Path = ("guards", name, key)
                for other in self.all_known("guard", others, self.doc.guards, path):
                    first, second = sorted((name, other))
                    if name != other:
                        found.update((((first, answer), (second, answer)), None) for answer in answers)
                        continue
                    self.unsure = True
                    text = f"guard {name!r} {_APART[key]} itself: name another guard"
                    self.findings.add((*path, VALUE), "contradictory-guards", text)
        self.exclusions = tuple(found)
        self.used = {use for use in self.used if use[0] != "guard"}  # only a row uses a guard

    def _events(self) -> None:
        doc = self.doc
        for name, event in doc.events.items():
            path: Path = ("events", name)
            source, timer = event.source, event.timer
            if name == FAULT and source != BY_ACTION:
                text = f"the event {FAULT!r} is what the engine posts: its source is {BY_ACTION}"
                self.findings.add(path, "event-origin", text)
                source, timer = BY_ACTION, None
            elif (source is None) == (timer is None):
                text = "either a source or a timer" if source is None else "one origin: a source or a timer, not both"
                self.findings.add(path, "event-origin", f"event {name!r} needs {text}")
                timer = None
            if source is not None:
                source = self.known("source", source, doc.sources, (*path, "source", VALUE), RESERVED["sources"])
            if timer is not None:
                timer = self.known("setting", timer, doc.settings, (*path, "timer", VALUE))
            if timer is not None:
                self._timing(timer, doc.settings[timer].value, ("settings", timer, "value", VALUE))
            default = TIMER_RANK if timer else ACTION_RANK if source == BY_ACTION else FACT_RANK
            rank = default if event.rank is None else event.rank
            self.events[name] = Event(name, rank, source, timer, event.doc)

    def _timing(self, setting: str, value: object, path: Path) -> None:
        """Check that a timer can wait for the value."""
        if isinstance(value, Seconds):
            if not value and self.doc.settings[setting].zero is None:
                text = f"setting {setting!r} is a deadline of no time: its states would be left at once"
                hint = "write a longer duration, null for never, or `zero:` with the reason next to its `value`"
                self.findings.add(path, "zero-deadline", f"{text}; {hint}")
        elif value is not None:
            self.findings.add(path, "wrong-type", f"setting {setting!r} is for a timer: {_no_duration(value)}")

    def _states(self) -> None:
        doc = self.doc
        for name, state in doc.states.items():
            path: Path = ("states", name)
            sources = self.all_known("source", state.sources, doc.sources, (*path, "sources"))
            self.used |= {("listened", source) for source in sources}
            entry = self.all_known("action", state.entry, doc.actions, (*path, "entry"))
            exit_ = self.all_known("action", state.exit, doc.actions, (*path, "exit"))
            deadlines = self._deadlines(state.deadlines, (*path, "deadlines"))
            final = state.final
            if final is not None:
                final = self.outcome(final, (*path, "final", VALUE), RESERVED["outcomes"])
                for field in ("sources", "exit", "deadlines"):
                    if getattr(state, field):
                        text = f"final state {name!r} has {field}: the machine has ended there"
                        self.findings.add((*path, field), "final-state", text)
                if state.no_deadline is not None:
                    text = f"final state {name!r} needs no reason to have no deadline: the machine has ended there"
                    self.findings.add((*path, "no-deadline"), "final-state", text)
            elif deadlines and state.no_deadline is not None:
                text = f"state {name!r} has deadlines and a reason to have none"
                self.findings.add((*path, "no-deadline"), "no-deadline", text)
            elif not state.deadlines and state.no_deadline is None:
                text = f"state {name!r} names no deadline; give one, or say `no-deadline:` with the reason"
                self.findings.add(path, "no-deadline", text)
            self.states[name] = State(
                name, state.doc, state.phase, sources, entry, exit_, deadlines, state.no_deadline, final
            )

    def _deadlines(self, names: Names, path: Path) -> tuple[str, ...]:
        found = []
        for name, where in self.each(names, path):
            known = self.known("event", name, self.doc.events, where)
            if known is None:
                continue
            self.used.add(("timer", known))
            if self.doc.events[known].timer is None:
                self.findings.add(where, "not-a-timer", f"event {known!r} has no timer, so it is no deadline")
            else:
                found.append(known)
        return tuple(dict.fromkeys(found))

    def _groups(self) -> None:
        for name, members in self.doc.groups.items():
            if not members:
                self.findings.add(("groups", name), "wrong-type", "at least one name is wanted here")
        self.groups = {
            name: tuple(dict.fromkeys(self.all_known("state", members, self.doc.states, ("groups", name))))
            for name, members in self.doc.groups.items()
        }

    def _views(self) -> None:
        self.views: dict[str, tuple[str, ...]] = {}
        for name, members in self.doc.views.items():
            path: Path = ("views", name)
            if not members:
                self.findings.add(path, "wrong-type", "at least one name is wanted here")
            shown: list[str] = []
            for member, where in self.each(members, path):
                if member in self.groups:
                    self.used.add(("group", member))
                    shown += self.groups[member]
                else:
                    state = self.known("state", member, self.doc.states, where)
                    shown += [state] if state is not None else []
            self.views[name] = tuple(dict.fromkeys(shown))

    def _profiles(self) -> None:
        for name, profile in self.doc.profiles.items():
            for source in profile.sources:
                self.known("source", source, self.doc.sources, ("profiles", name, "sources", source))
            timers = {event.timer for event in self.events.values()}
            for setting, value in profile.settings.items():
                path: Path = ("profiles", name, "settings", setting)
                known = self.known("setting", setting, self.doc.settings, path)
                if known is not None and known in timers:
                    self._timing(known, value, (*path, VALUE))

    def _postings(self) -> None:
        """What only actions say must be said by one; what no state arms never comes."""
        posted = {event for action in self.actions.values() for event in action.posts}
        for name, event in self.events.items():
            if event.source == BY_ACTION and name not in posted and name != FAULT:
                text = f"no action lists {name!r} in its `posts`, so it never comes"
                self.findings.add(("events", name), "unposted-event", text)
            if event.timer is not None and ("timer", name) not in self.used:
                self.findings.add(("events", name), "unarmed-timer", f"no state has the deadline {name!r}")


_INSTEAD_OF_TIME = {
    "setting": "a timer names a setting: `settings: {NAME: {value: 3m}}`, `timer: NAME`",
    "event": "a deadline names an event: `events: {NAME: {timer: SETTING}}`",
}
# What stands for a time without an end elsewhere.
_FOREVER = ("infinity", "infinite", "inf", ".inf", "never", "forever", "none", "off")


def _is_time(text: str) -> bool:
    """Whether the text is a time with a unit."""
    try:
        parse_duration(text)
    except ValueError:
        return False
    return True


def _no_duration(value: object) -> str:
    """Why a setting's value is no duration, and what would be one."""
    written = str(value).lower() if isinstance(value, bool) else str(value)
    if written.lower() in _FOREVER:
        return f"{written!r} is not a duration: a deadline that never comes is null"
    try:
        parse_duration(written)
    except ValueError as error:
        return str(error)
    return f"{written!r} is a text, because it stands in quotes; write {written}"


def _listed(names: Iterable[str]) -> str:
    """A few names for a person; the rest is a number."""
    every = list(names)
    shown = ", ".join(every[:8])
    return shown if len(every) <= 8 else f"{shown} and {len(every) - 8} more"
