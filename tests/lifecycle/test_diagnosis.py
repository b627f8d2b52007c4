"""What a loader's last words and the kernel's lines say of the cause: the words are those that real ones printed."""

from __future__ import annotations

import pytest

from scxlife.lifecycle.diagnosis import diagnose

WORDS = {
    "verifier": """libbpf: prog 'fault_tick': BPF program load failed: -EACCES
libbpf: prog 'fault_tick': -- BEGIN PROG LOAD LOG --
2: (63) *(u32 *)(r1 +1312) = r2
-- END PROG LOAD LOG --
libbpf: failed to load BPF skeleton 'fault': -EACCES
[SCX_BUG] fault.c:384 (Permission denied)""",
    "no-permission": """libbpf: Failed to bump RLIMIT_MEMLOCK (err = -EPERM), you might need to do it explicitly!
libbpf: Error in bpf_object__probe_loading(): -EPERM. Couldn't load trivial BPF program. Make sure your \
kernel supports BPF (CONFIG_BPF_SYSCALL=y) and/or that RLIMIT_MEMLOCK is set to big enough value.
libbpf: failed to load BPF skeleton 'scx_simple': -EPERM""",
    "slot-taken": """[SCX_BUG] scx_simple.c:92 (Device or resource busy)
Failed to attach struct_ops""",
    "kernel-too-old": """[SCX_BUG] scx_simple.c:75 (No such file or directory)
sched_ext_ops.dump() missing, kernel too old?""",
    "isolcpus": 'Not compatible with "isolcpus=" domain isolation',
}


@pytest.mark.parametrize("code", WORDS)
def test_A29_each_known_cause_is_told_by_its_code_with_a_hint(code: str) -> None:
    found = diagnose("started", WORDS[code])
    assert found is not None
    assert (found.code, bool(found.hint)) == (code, True)


@pytest.mark.parametrize(
    "words",
    [
        "",
        "local=24 global=40\nEXIT: unregistered from user space",
        "Permission denied: /etc/shadow",
        "libbpf: struct_ops simple_ops: member sub_attach not found in kernel, skipping it as it's set to zero",
        "listening on port 5240, 524 connections",
    ],
)
def test_words_that_tell_of_no_known_cause_are_not_explained(words: str) -> None:
    assert diagnose(words) is None
