"""The program, the source line and the verifier's message, from the forms in which schedulers print them."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from scxlife.lifecycle.diagnosis import Diagnosis, examine
from scxlife.lifecycle.logfile import Log
from scxlife.platform.linux import LinuxKernel

FIGURES = "processed 71 insns (limit 1000000) max_states_per_insn 1 total_states 5 peak_states 5 mark_read 0\n"
BODY = f"""0: R1=ctx() R10=fp0
; void BPF_STRUCT_OPS(mine_enqueue, struct task_struct *p) @ mine.bpf.c:20
0: (79) r2 = *(u64 *)(r1 +0)
func 'enqueue' arg0 has btf_id 114558 type STRUCT 'task_struct'
1: R1=ctx() R2=trusted_ptr_task_struct()
; q->prev = NULL; @ mine.bpf.c:31
97: (7b) *(u64 *)(r7 +16) = r1
R7 invalid mem access 'scalar'
{FIGURES}"""
MORE = "verification time 7 usec\nstack depth 24+440\n"
INSTRUCTION = "10: (79) r1 = *(u64 *)(r9 +8) ; R1=scalar()\n"


def libbpf(body: str = BODY, *, program: str = "mine_enqueue", error: str = "-EACCES", prefix: str = "") -> str:
    head = f"{prefix}libbpf: prog '{program}': "
    return (
        f"{head}BPF program load failed: {error}\n{head}-- BEGIN PROG LOAD LOG --\n{body}-- END PROG LOAD LOG --\n"
        f"{head}failed to load: {error}\n{prefix}libbpf: failed to load object 'mine'\n"
    )


def diagnosis(tmp: Path, text: str | bytes) -> Diagnosis:
    (tmp / "log").write_bytes(text.encode() if isinstance(text, str) else text)
    fd = os.open(tmp / "log", os.O_RDONLY)
    try:
        return examine(LinuxKernel(), Log(fd, None), 0)
    finally:
        os.close(fd)


def rejected(tmp: Path, text: str | bytes) -> tuple[str, str, str] | None:
    found = diagnosis(tmp, text)
    assert (found.rejection is not None) == (found.known is not None and found.known.code == "verifier")
    return None if found.rejection is None else (*found.rejection.values(),)  # type: ignore[return-value]


WHOLE = ("mine_enqueue", "mine.bpf.c:31: q->prev = NULL;", "R7 invalid mem access 'scalar'")
TRACING = "2026-02-20T06:31:35.794668Z  WARN ThreadId(01) scx_utils::libbpf_logger: rust/scx_utils/src/logger.rs:12: "
CHAIN = "Error: Failed to load BPF program\n\nCaused by:\n    Permission denied (os error 13)\n"
COLOURED = "\x1b[2m2026-02-20T06:31:35Z\x1b[0m \x1b[33m WARN\x1b[0m scx_utils::libbpf_logger: "


def stamped(text: str, prefix: str) -> str:
    return "".join(f"{prefix}{line}\n" for line in text.splitlines())


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(libbpf(), id="libbpf in C"),
        pytest.param("starting\n" + libbpf() + "Failed to load skel\n", id="between other lines"),
        pytest.param(libbpf(prefix="20:25:11 [WARN] ") + CHAIN, id="simplelog"),
        pytest.param(libbpf(prefix="20:25:11 [WARN] ").replace("EACCES\n20", "EACCES\n\n20"), id="with empty lines"),
        pytest.param(libbpf(prefix=TRACING) + CHAIN, id="tracing"),
        pytest.param(libbpf(prefix=COLOURED) + CHAIN, id="in colours"),
        pytest.param(stamped(libbpf(), TRACING), id="each line with its time"),
        pytest.param(stamped(libbpf(), "[12:00:00.123] WARN: "), id="each line with another time"),
        pytest.param(libbpf().replace("\n", "\r\n"), id="carriage returns"),
        pytest.param(libbpf().replace(FIGURES, MORE + FIGURES), id="figures"),
        pytest.param(libbpf(BODY.replace(FIGURES, "")), id="no figures"),
        pytest.param(libbpf(BODY + "\n\n"), id="empty lines at the end"),
        pytest.param(libbpf().partition(FIGURES)[0], id="torn"),
        pytest.param(libbpf("; other(); @ x.c:1\nno\n", program="first") + libbpf(), id="the last of two"),
        pytest.param(libbpf() + "libbpf: " + "retrying\n" * 30_000, id="far from the end"),
        pytest.param(libbpf(INSTRUCTION * 30_000 + BODY), id="far from its beginning"),
        pytest.param(libbpf().replace("97: (7b)", INSTRUCTION * 4000 + "97: (7b)"), id="far from its source line"),
        pytest.param(libbpf(BODY.replace(FIGURES, "").removesuffix("\n")), id="no end of line"),
        pytest.param("\n".join(libbpf().splitlines()[2:]), id="its beginning given up"),
    ],
)  # fmt: skip
def test_L15_a_rejection_is_named_in_each_form_of_log(tmp_path: Path, text: str) -> None:
    assert rejected(tmp_path, text) == WHOLE


@pytest.mark.parametrize(
    ("body", "source", "message"),
    [
        ("; q = p; \n3: (bf) r1 = r2\nR2 !read_ok\n", "q = p;", "R2 !read_ok"),
        ("3: (bf) r1 = r2\nR2 !read_ok\n", "", "R2 !read_ok"),
        ("; p->pid = 0; @ a.c:1\n2: (63) *(u32 *)(r1 +1312) = r2\n" + FIGURES, "a.c:1: p->pid = 0;",
         "-EACCES at 2: (63) *(u32 *)(r1 +1312) = r2"),
        ("processed 0 insns (limit 1000000)\n", "", "-EACCES"),
        ("BPF program is too large. Processed 1000001 insn\n" + MORE + FIGURES,
         "", "BPF program is too large. Processed 1000001 insn"),
        ("; f(); @ a.c:2\n395: (85) call f#65708\ninvalid access, size=1024\nR3 max value is too large\n" + FIGURES,
         "a.c:2: f();", "invalid access, size=1024; R3 max value is too large"),
        ("; x @ y; @ dir/a.bpf.c:7\n;\n15: <invalid kfunc call>\nkfunc 'f' wasn't resolved\n",
         "dir/a.bpf.c:7: x @ y;", "kfunc 'f' wasn't resolved"),
        ("; caf\u00e9(); @ a.c:3\n1: (95) exit\nloop\n", "a.c:3: caf\u00e9();", "loop"),
        ("; " + "x" * 5000 + " @ a.c:3\n1: (95) exit\n" + "y" * 5000 + "\n", "x" * 299 + "…", "y" * 299 + "…"),
    ],
    ids=["before 6.10", "no source", "no message", "nothing", "too large", "two lines", "kfunc", "UTF-8", "too long"],
)  # fmt: skip
def test_L15_a_rejection_has_what_the_log_has(tmp_path: Path, body: str, source: str, message: str) -> None:
    assert rejected(tmp_path, libbpf(body)) == ("mine_enqueue", source, message)


@pytest.mark.parametrize(
    "text",
    [
        # With kernel_log_level set, libbpf prints the log of accepted programs too.
        libbpf().replace("BPF program load failed", "loaded").replace("failed to load", "loaded"),
        # Without permission there is a failure and no log.
        "libbpf: prog 'mine': BPF program load failed: -EPERM\nlibbpf: failed to load BPF skeleton 'mine': -EPERM\n",
        "BPF program load failed: \n",
        "-- END PROG LOAD LOG --\n",
    ],
    ids=["accepted", "no permission", "no program", "an end alone"],
)
def test_L15_what_is_no_rejection_is_not_called_one(tmp_path: Path, text: str) -> None:
    assert rejected(tmp_path, text) is None


def test_L15_the_beginning_of_another_program_is_not_taken_for_its_own(tmp_path: Path) -> None:
    short = libbpf("no\n", program="a").partition("-- END")[0] + "-- END PROG LOAD LOG --\n"
    assert rejected(tmp_path, short + libbpf()) == WHOLE
    refused = "libbpf: prog 'b': BPF program load failed: -EPERM\n"
    assert rejected(tmp_path, short + refused) is None


def test_L15_an_end_that_was_not_searched_leaves_the_error(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as file:
        file.write(libbpf().partition(FIGURES)[0].encode())
        file.seek(64 * 2**20)
        file.write(b"a last line that is no verifier's\n")
    with (tmp_path / "log").open("rb") as file:
        found = examine(LinuxKernel(), Log(file.fileno(), None), 0)
    assert found.rejection == {"program": "mine_enqueue", "source": "", "message": "-EACCES"}
    assert re.search(r"only the first and the last", found.unread or "")


def test_L15_a_name_that_is_too_long_is_bounded(tmp_path: Path) -> None:
    assert rejected(tmp_path, libbpf(program="p" * 200)) == ("p" * 200, *WHOLE[1:])
    assert rejected(tmp_path, libbpf(program="p" * 10_000)) is None
