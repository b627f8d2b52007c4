"""The console: any bytes in, bounded lines out, and the kernel's last words kept."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from scxlife.platform.vm.console import LINE_LIMIT, TAIL_LINES, Console
from scxlife.platform.vm.image import INCOMPLETE


@given(st.lists(st.binary(max_size=50)))
def test_any_bytes_in_any_chunks_are_the_same_lines(chunks: list[bytes]) -> None:
    console, whole = Console(), Console()
    lines = [line for chunk in chunks for line in console.feed(chunk)] + console.finish()
    assert lines == whole.feed(b"".join(chunks)) + whole.finish()


def test_a_line_without_an_end_is_cut_and_the_tail_is_bounded() -> None:
    console = Console()
    for _ in range(100):
        lines = console.feed(b"x" * 65536)
        assert lines
        assert max(map(len, lines)) == LINE_LIMIT
    assert len(console.tail) == TAIL_LINES


def test_the_end_of_init_is_told_from_another_panic() -> None:
    console = Console()
    console.feed(b"[ 3.1] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000300\r\n")
    assert console.panic is not None
    assert console.panic.init_status == 0x300
    other = Console()
    other.feed(b"[ 3.1] Kernel panic - not syncing: Fatal exception in interrupt\n")
    assert other.panic is not None
    assert other.panic.init_status is None
    assert other.panic.message == "Fatal exception in interrupt"


def test_a_call_trace_does_not_push_out_what_led_to_the_panic() -> None:
    console = Console()
    console.feed(b"ZeroDivisionError\nKernel panic - not syncing: x\n" + b" ? trace+0x1\n" * 1000)
    assert console.tail[:2] == ("ZeroDivisionError", "Kernel panic - not syncing: x")
    assert len(console.tail) == 2 + TAIL_LINES


def test_each_way_to_run_out_of_memory_is_known() -> None:
    for line in (
        "Out of memory: Killed process 42 (x) total-vm:1kB",
        "Kernel panic - not syncing: System is deadlocked on memory",
        "Initramfs unpacking failed: write error",
        INCOMPLETE,
    ):
        console = Console()
        console.feed(line.encode() + b"\n")
        assert console.no_memory == line
    console = Console()
    console.feed(b"nothing special\n")
    assert console.no_memory is None
