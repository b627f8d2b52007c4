"""Why a scheduler could not attach, read from its log and from the kernel's reason.

Loaders end with the same code 1 for every cause. Each known one has a code that does not change, and a hint.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import attrs

from .logfile import SEARCHED, pieces

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from scxlife.platform.kernel import Kernel

    from .logfile import Log


@attrs.frozen
class Known:
    """A known cause: `code` for programs, `hint` for people.

    `words` are in lower case, one of them is in every text that `pattern` matches: looking for them is fast. No pattern
    has a repetition without a bound, for the text is foreign.
    """

    code: str
    hint: str
    words: tuple[bytes, ...] = ()
    pattern: bytes = b""


def _line(first: bytes, then: bytes) -> bytes:
    """A pattern for a line that has `first`, and `then` in the 200 bytes after it.

    Its work is linear: at a second `first` the search begins anew.
    """
    return rb"%b(?:(?!%b)[^\n]){0,200}(?:%b)" % (first, first, then)


VERIFIER = Known(
    "verifier",
    "the BPF verifier refused a program: its log is in the scheduler's, above END PROG LOAD LOG",
)
# In this order: the first that is found is the cause, what follows from it is found further down.
_KNOWN = (
    VERIFIER,
    Known(
        "no-permission",
        "run it as root, or with CAP_BPF, CAP_PERFMON and CAP_SYS_ADMIN",
        (b"eperm", b"operation not permitted"),
        rb"bpf_object__probe_loading\(\): ?(?:-eperm|operation not permitted)"
        rb"|failed to load bpf skeleton [^\n]{0,200}-eperm|"
        + _line(rb"failed to (?:load|attach|open)\b", rb"operation not permitted"),
    ),
    Known(
        "isolcpus",
        "the kernel was booted with isolcpus=, with which it takes no BPF scheduler: boot it without",
        (b"isolcpus",),
        rb"not compatible with \"?isolcpus",
    ),
    Known(
        "no-btf",
        "the kernel has no BTF: build it with CONFIG_DEBUG_INFO_BTF=y",
        (b"btf",),
        rb"failed to find valid kernel btf|vmlinux btf is not found|config_debug_info_btf",
    ),
    Known(
        "kernel-too-old",
        "this kernel's sched_ext is older than the scheduler, or it has none (CONFIG_SCHED_CLASS_EXT)",
        (b"is not found in kernel btf", b"missing, kernel too old"),
        rb"sched_ext_ops\S{0,99} is not found in kernel btf|missing, kernel too old",
    ),
    Known(
        "jit-off",
        "struct_ops needs the BPF JIT: sysctl net.core.bpf_jit_enable=1, CONFIG_BPF_JIT=y",
        (b"524", b"enotsupp"),
        rb"(?:error:? |err(?:no)? ?= ?|: )-?524\b|= -524\b|\(os error 524\)|enotsupp\b",
    ),
    Known(
        "no-function-tracer",
        "its probes need CONFIG_FUNCTION_TRACER and CONFIG_DYNAMIC_FTRACE",
        (b"fexit", b"kprobe_multi"),
        _line(rb"fexit", rb"busy") + rb"|" + _line(rb"kprobe_multi", rb"einval|enoent"),
    ),
    Known(
        "slot-taken",
        "another sched_ext scheduler is enabled: stop it first; `scxlife status` says whose it is",
        (b"ebusy", b"resource busy", b"already running", b"owned by another scheduler"),
        rb"\(device or resource busy\)\s{1,8}failed to attach|already running|owned by another scheduler|"
        + _line(rb"attach", rb"ebusy|resource busy"),
    ),
)
# How Rust's anyhow prints an error and what it came from: made one line of.
_CHAIN = re.compile(rb"\n{1,2}caused by:\n\s{1,8}(?:0: )?|\n {2,8}\d{1,2}: ")


@attrs.frozen
class Diagnosis:
    """`rejection` has the verifier's `program`, `source` and `message`; `unread` says what was not searched."""

    known: Known | None = None
    rejection: dict[str, str] | None = None
    unread: str | None = None


def diagnose(*texts: str) -> Known | None:
    """The known cause in a few short texts, None when there is none."""
    found = _found("\n".join(texts).encode("utf-8", "replace").lower(), _KNOWN)
    return min(found, key=_KNOWN.index, default=None)


def examine(kernel: Kernel, log: Log | None, dropped: int, *texts: str) -> Diagnosis:
    """The known cause that the log or one of `texts` has, without the log's first `dropped` bytes.

    All of the log is searched, of a large one both ends (`logfile.SEARCHED`); memory is bounded by a piece. An error
    while reading leaves what was found until then.
    """
    known = diagnose(*texts)
    found: dict[str, Any] = {"known": known}
    if log is not None and log.readable:
        try:
            found |= _examine(kernel, log, dropped, known)
        except OSError as error:
            found["unread"] = f"the log was not searched for the cause: {error.strerror}"
    return Diagnosis(**found)


def _examine(kernel: Kernel, log: Log, dropped: int, known: Known | None) -> dict[str, Any]:
    from . import verifier_log

    size = kernel.fstat(log.fd).size
    whole = size - dropped <= 2 * SEARCHED
    seen = set() if known is None else {known}
    marks: dict[bytes, int] = {}
    for offset, length in pieces(size, dropped):
        text = kernel.pread(log.fd, length, offset).lower()
        for mark in (verifier_log.LOAD_FAILED, verifier_log.END):
            if (at := text.rfind(mark)) >= 0:
                marks[mark] = offset + at
        seen |= _found(text, (one for one in _KNOWN if one not in seen))
    found: dict[str, Any] = {}
    if marks:
        rejected = verifier_log.rejection(
            lambda offset, length: kernel.pread(log.fd, length, offset),
            size,
            marks.get(verifier_log.LOAD_FAILED),
            marks.get(verifier_log.END),
            whole=whole,
        )
        if rejected is not None:
            seen.add(VERIFIER)
            found["rejection"] = attrs.asdict(rejected)
    if not whole:
        ends = SEARCHED // 2**20
        found["unread"] = (
            f"of the log's {size} bytes only the first and the last {ends} MiB were searched for the cause"
        )
    return found | {"known": min(seen, key=_KNOWN.index, default=None)}


def _found(text: bytes, among: Iterable[Known]) -> set[Known]:
    """Those whose pattern is in `text`, which is in lower case."""
    if b"caused by:" in text:
        text = _CHAIN.sub(b": ", text)
    return {one for one in among if any(word in text for word in one.words) and re.search(one.pattern, text)}
