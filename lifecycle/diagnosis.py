"""What the surroundings lacked when a scheduler could not attach, read from its own last words and the kernel's reason.

Loaders end with the same code 1 for all of it. Each cause has a code that does not change, and a hint.
"""

from __future__ import annotations

import re

import attrs


@attrs.frozen
class Diagnosis:
    """A known cause: `code` for programs, `hint` for people."""

    code: str
    hint: str


# In this order: the first that is found is the cause, what follows from it is found further down.
_KNOWN = (
    (
        r"-- BEGIN PROG LOAD LOG --",
        "verifier",
        "the BPF verifier refused a program: its log is in the scheduler's, above END PROG LOAD LOG",
    ),
    (
        r"bpf_object__probe_loading\(\): (?:-EPERM|Operation not permitted)|failed to load BPF skeleton .*-EPERM",
        "no-permission",
        "run it as root, or with CAP_BPF, CAP_PERFMON and CAP_SYS_ADMIN",
    ),
    (
        r"(?i)not compatible with \"?isolcpus",
        "isolcpus",
        "the kernel was booted with isolcpus=, with which it takes no BPF scheduler: boot it without",
    ),
    (
        r"(?i)failed to find valid kernel BTF|vmlinux BTF is not found|CONFIG_DEBUG_INFO_BTF",
        "no-btf",
        "the kernel has no BTF: build it with CONFIG_DEBUG_INFO_BTF=y",
    ),
    (
        r"sched_ext_ops\S* is not found in kernel BTF|missing, kernel too old",
        "kernel-too-old",
        "this kernel's sched_ext is older than the scheduler, or it has none (CONFIG_SCHED_CLASS_EXT)",
    ),
    (
        r"(?i)(?:error:? |= ?|: )-?524\b|ENOTSUPP\b",
        "jit-off",
        "struct_ops needs the BPF JIT: sysctl net.core.bpf_jit_enable=1, CONFIG_BPF_JIT=y",
    ),
    (
        r"\(Device or resource busy\)\s+Failed to attach|attach.*(?:EBUSY|[Rr]esource busy)"
        r"|already running|owned by another scheduler",
        "slot-taken",
        "another sched_ext scheduler is enabled: stop it first; `scxlife status` says whose it is",
    ),
    (
        r"(?i)fexit.*(?:EBUSY|busy)|kprobe_multi.*(?:EINVAL|ENOENT)",
        "no-function-tracer",
        "its probes need CONFIG_FUNCTION_TRACER and CONFIG_DYNAMIC_FTRACE",
    ),
)


def diagnose(*texts: str) -> Diagnosis | None:
    """The known cause that the texts tell of, None where they tell of none."""
    whole = "\n".join(texts)
    for pattern, code, hint in _KNOWN:
        if re.search(pattern, whole):
            return Diagnosis(code, hint)
    return None
