"""Foreign words made fit to be seen: a tape holds what processes, kernels and files say."""

from __future__ import annotations

import json
import re

# What no XML can carry, what paints nothing, and what turns the direction of the text around it.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\uffff]"
)


def visible(words: str) -> str:
    """`words` with an escape such as `\\x1b` or `\\udc80` in the place of each character that can't be seen."""
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode(), words)


def worded(value: object) -> str:
    """A value of JSON: a text as it is, all else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def one_line(words: str, most: int = 400) -> str:
    """The same without line breaks, and not longer than `most` characters."""
    text = visible(" ".join(words.split()))
    return text if len(text) <= most else f"{text[: most - 1]}…"
