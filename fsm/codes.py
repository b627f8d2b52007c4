"""Every code that a check of a definition can give, how grave it is, and what it means in a line.

`docs/error-codes.md` shows each with a bad and a good example; a test holds the page and this table together.
"""

from __future__ import annotations

ERROR = "error"
WARNING = "warning"

# What makes a definition unusable. Each is refused when the file is loaded.
ERRORS = {
    # the file
    "unreadable": "the file can't be read",
    "not-utf8": "the file is not UTF-8 text",
    "too-large": "the file is larger than any definition, or its aliases make it so",
    "too-deep": "the file is nested deeper than any definition",
    "empty": "the file holds no definition",
    "yaml-syntax": "the file is not YAML",
    "several-documents": "the file holds more than one YAML document",
    "yaml-tag": "a tag: a definition is plain data",
    "yaml-boolean": "a word that some YAML readers take for a truth value",
    "duplicate-key": "the same key twice in one mapping",
    "include": "an included file that is outside, in a circle or at odds with its neighbour",
    # the form
    "unknown-format": "a format that this version does not read",
    "unknown-key": "a key that the format does not have",
    "missing-key": "a key that the format demands",
    "wrong-type": "a value of another type than its key takes",
    "bad-name": "a name that is none",
    "name-taken": "one name for two things",
    # the names
    "unknown-state": "a state that is not declared",
    "unknown-event": "an event that is not declared",
    "unknown-group": "a group that is not declared",
    "unknown-guard": "a guard that is not declared",
    "unknown-action": "an action that is not declared",
    "unknown-source": "a source that is not declared",
    "unknown-setting": "a setting that is not declared",
    "unknown-outcome": "an outcome that is not declared",
    "unknown-reason": "a reason that its outcome does not declare",
    "missing-reason": "an outcome that needs one of its reasons",
    # events, deadlines and actions
    "event-origin": "an event with two origins, or none",
    "zero-deadline": "a deadline of no time, without a reason",
    "not-a-timer": "a deadline, or an `again`, where there is no timer",
    "no-deadline": "a state that neither names a deadline nor says why it needs none",
    "final-state": "a final state with what only a living one has",
    "unhandled-timer": "a deadline that is armed and leads nowhere",
    "unarmed-timer": "a deadline that is handled or declared, and not armed",
    "unopened-source": "a row for an event whose source its state does not list",
    "not-postable": "an action that posts an event of another origin",
    "unposted-event": "an event of actions that no action posts",
    # the table
    "not-refusable": "a `reject` of what no caller sends",
    "missing-cell": "a state and an event for which nothing is said",
    "duplicate-row": "the same row twice",
    "overlapping-rows": "two rows that say different things of one cell",
    "shadowed-row": "a row that is never taken",
    "contradictory-guards": "guards that can't be answered as a row or a declaration wants",
    "row-out-of-final": "a row out of a state that has ended",
    # the graph
    "unreachable": "a state that no path leads to",
    "dead-end": "a state that is not final and is never left",
    "no-way-out": "a state from which no final state can be reached",
    # what exploring finds
    "impossible-reached": "a cell that is called impossible and is not",
    "never-consumed": "a deferred event that no later state takes",
    "immediate-cycle": "actions that post one another's events for ever",
    "no-verdict": "a way to `final: verdict` on which no verdict is noted",
}

# What is harmless and probably not meant. `scxlife check --strict` fails on them.
WARNINGS = {
    "unused-guard": "a guard that no row asks",
    "unused-action": "an action that nothing runs",
    "unused-group": "a group that no row names",
    "unused-source": "a source that no state listens to",
    "unused-event": "an event that can come nowhere",
    "unused-outcome": "an outcome or a reason that nothing leads to",
}


def severity(code: str) -> str:
    """`error` or `warning`. Raises KeyError for a code that is in neither table."""
    if code in ERRORS:
        return ERROR
    if code in WARNINGS:
        return WARNING
    raise KeyError(code)


def summary(code: str) -> str:
    """What the code means, in a line without a full stop."""
    return ERRORS[code] if code in ERRORS else WARNINGS[code]
