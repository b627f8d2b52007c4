"""The wire: however the stream is cut it gives the same frames, and what is damaged is never taken for a result."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scxlife.platform.vm import frames
from scxlife.platform.vm.port import GuestPort, PortError, find

contents = st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=300)), min_size=1, max_size=8)


def stream_of(items: Iterable[tuple[int, bytes]]) -> bytes:
    return b"".join(frames.encode(type, number, payload) for number, (type, payload) in enumerate(items))


@given(contents, st.data())
def test_any_cutting_gives_the_same_frames(items: list[tuple[int, bytes]], data: st.DataObject) -> None:
    stream = stream_of(items)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=20)))
    decoder = frames.Decoder()
    found = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += decoder.feed(stream[start:end])
    assert found == [frames.Frame(type, number, payload) for number, (type, payload) in enumerate(items)]
    assert not decoder.finish().truncated


@given(contents, st.data())
def test_any_damaged_byte_is_noticed(items: list[tuple[int, bytes]], data: st.DataObject) -> None:
    stream = bytearray(stream_of(items))
    at = data.draw(st.integers(0, len(stream) - 1))
    stream[at] ^= data.draw(st.integers(1, 255))
    decoder = frames.Decoder()
    sound = [frames.Frame(type, number, payload) for number, (type, payload) in enumerate(items)]
    try:
        found = decoder.feed(bytes(stream))
    except frames.FrameError as error:
        found = error.frames
        with pytest.raises(frames.FrameError):
            decoder.feed(b"")
        with pytest.raises(frames.FrameError):
            decoder.finish()
    else:
        assert decoder.finish().truncated
    assert len(found) < len(sound)
    assert found == sound[: len(found)]


@given(contents, st.data())
def test_a_stream_that_is_cut_inside_a_frame_is_truncated(items: list[tuple[int, bytes]], data: st.DataObject) -> None:
    stream = stream_of(items)
    borders = {len(stream_of(items[:count])) for count in range(len(items) + 1)}
    cut = data.draw(st.integers(0, len(stream)).filter(lambda at: at not in borders))
    decoder = frames.Decoder()
    found = decoder.feed(stream[:cut])
    ending = decoder.finish()
    assert ending.truncated
    assert len(stream_of((frame.type, frame.payload) for frame in found)) + ending.leftover == cut


def test_a_frame_that_is_missing_is_a_gap() -> None:
    decoder = frames.Decoder()
    with pytest.raises(frames.FrameError, match="sequence 2, expected 1") as caught:
        decoder.feed(frames.encode(frames.LOG, 0, b"a") + frames.encode(frames.LOG, 2, b"c"))
    assert [frame.payload for frame in caught.value.frames] == [b"a"]
    assert caught.value.offset == len(frames.encode(frames.LOG, 0, b"a"))


def test_a_hostile_length_is_refused_on_sight_of_the_header() -> None:
    header = bytearray(frames.encode(frames.LOG, 0, b""))
    header[10:14] = (frames.MAX_PAYLOAD + 1).to_bytes(4, "little")
    with pytest.raises(frames.FrameError, match="length"):
        frames.Decoder().feed(bytes(header))


def test_a_payload_of_the_greatest_size_passes_and_one_more_byte_does_not() -> None:
    payload = bytes(frames.MAX_PAYLOAD)
    (frame,) = frames.Decoder().feed(frames.encode(frames.LOG, 0, payload))
    assert frame.payload == payload
    with pytest.raises(ValueError, match="payload"):
        frames.encode(frames.LOG, 0, payload + b"x")


def test_noise_is_refused_before_it_is_as_long_as_a_header() -> None:
    with pytest.raises(frames.FrameError, match="magic"):
        frames.Decoder().feed(b"S!")


def test_the_sequence_wraps_after_its_last_number() -> None:
    decoder = frames.Decoder()
    decoder._sequence = (1 << 32) - 1
    found = decoder.feed(frames.encode(1, (1 << 32) - 1, b"") + frames.encode(1, 1 << 32, b""))
    assert [frame.sequence for frame in found] == [(1 << 32) - 1, 0]


def test_an_acknowledgement_names_the_frame() -> None:
    (frame,) = frames.Decoder().feed(frames.encode_ack(0, 4711))
    assert frames.acknowledged(frame) == 4711
    with pytest.raises(ValueError, match="not an acknowledgement"):
        frames.acknowledged(frames.Frame(frames.LOG, 0, b""))


def test_the_guests_modules_import_next_to_nothing() -> None:
    code = "import sys; from scxlife.platform.vm import frames; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "scxlife.platform.vm.frames" in loaded
    assert not {"attr", "typing", "enum", "dataclasses", "zlib"} & set(loaded)


def test_the_port_sends_in_order_and_believes_only_the_acknowledgement_of_its_last_frame() -> None:
    guest, host = socket.socketpair()
    with host:
        port = GuestPort(guest.detach(), timeout_s=10.0)
        assert [port.send(frames.LOG, b"one"), port.send(frames.EXIT, b"two")] == [0, 1]
        found = frames.Decoder().feed(host.recv(4096))
        assert [(frame.sequence, frame.payload) for frame in found] == [(0, b"one"), (1, b"two")]
        host.send(frames.encode_ack(0, 0))
        assert not port.finish(0.05)
        host.send(frames.encode_ack(1, 1))
        assert port.finish(10.0)
        port.close()


def test_the_port_sends_nothing_but_a_probe_after_the_exit_frame() -> None:
    guest, host = socket.socketpair()
    with host:
        port = GuestPort(guest.detach())
        port.send(frames.EXIT, b"")
        port.send(frames.PROBE, b"name\0")
        with pytest.raises(PortError, match="the last word"):
            port.send(frames.INTERNAL_ERROR, b"{}")
        assert [frame.type for frame in frames.Decoder().feed(host.recv(4096))] == [frames.EXIT, frames.PROBE]
        port.close()


@pytest.mark.parametrize("answer", [b"noise", frames.encode(frames.LOG, 0, b"")])
def test_the_port_does_not_wait_on_when_the_host_talks_nonsense(answer: bytes) -> None:
    guest, host = socket.socketpair()
    with host:
        port = GuestPort(guest.detach())
        port.send(frames.EXIT, b"")
        host.send(answer)
        assert not port.finish(600.0)
        port.close()


def test_the_port_gives_up_on_a_host_that_takes_nothing() -> None:
    guest, host = socket.socketpair()
    with host:
        port = GuestPort(guest.detach(), timeout_s=0.05)
        with pytest.raises(PortError, match="took nothing"):
            port.send(frames.LOG, bytes(frames.MAX_PAYLOAD))
        with pytest.raises(PortError, match="cut short"):
            port.send(frames.EXIT, b"")
        assert not port.finish(600.0)
        port.close()


def test_the_port_is_found_by_its_name(tmp_path: Path) -> None:
    for device, name in (("vport0p1", "org.other"), ("vport1p2", "scxlife.0")):
        (tmp_path / device).mkdir()
        (tmp_path / device / "name").write_text(name + "\n")
    assert find(ports=str(tmp_path)) == "/dev/vport1p2"
    assert find("scxlife.9", str(tmp_path)) is None
    assert find(ports="/nonexistent") is None
