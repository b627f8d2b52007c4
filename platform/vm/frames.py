"""The wire between the guest's PID 1 and its host: length-prefixed, checked frames over a byte stream.

A frame is a header and a payload. Whatever the scheduler or the payload prints travels *inside* frames, so no text
that it prints can be taken for a frame, and a stream that is cut or damaged can't be taken for a result:

    offset  size  field
    0       4     magic ``SCXF``
    4       1     version
    5       1     type
    6       4     sequence: 0, 1, 2 … for each direction, modulo 2**32
    10      4     length of the payload in bytes, at most MAX_PAYLOAD
    14      4     CRC-32 of the 14 bytes before it and of the payload
    18      …     payload

All numbers are little-endian. The guest's PID 1 imports this module, so it imports next to nothing: ``binascii`` and
``_struct`` are part of every interpreter, and there is no enum, no attrs, no typing machinery.
"""

from __future__ import annotations

from binascii import crc32
from struct import Struct

MAGIC = b"SCXF"
VERSION = 1

#: Bytes. A sender splits what is longer; a receiver refuses it on sight of the header, before it stores anything.
MAX_PAYLOAD = 1 << 20

# Guest to host.
#: JSON: version of the init, kernel release, boot timings. The first frame.
HELLO = 0x01
#: One line of the tape (JSON).
TAPE = 0x02
#: JSON: SchedulerAttached, SchedulerDied, SchedulerNotAttached and their like.
LIFECYCLE = 0x04
#: A chunk of the scheduler's log.
LOG = 0x05
#: JSON: the typed outcome.
OUTCOME = 0x06
#: JSON: the exit status of the run. Only PROBE may follow; the guest reboots once its last frame is acknowledged.
EXIT = 0x07
#: JSON: the traceback of an exception that PID 1 did not handle.
INTERNAL_ERROR = 0x08
#: A probe's name, a zero byte, and a chunk of what it produced.
PROBE = 0x09
#: One line of the tape of operations (JSON), where PID 1 can be asked.
OPERATIONS = 0x0A
#: PID 1 has its orders and begins. No payload.
ORDERED = 0x0B
#: A piece of a file that the host asked for, or its end: lifecycle/guest_gets.py.
FILE = 0x18

# Host to guest.
#: The sequence number of the frame that is acknowledged, 4 bytes, little-endian.
ACK = 0x80
#: PID 1 is asked to end the run, as by the signal whose number is the payload, 1 byte.
INTERRUPT = 0x81
#: A chunk of the archive of the run, a cpio archive. PID 1 waits for it after its HELLO.
ORDERS = 0x82
#: The archive is whole. The wall clock, 8 bytes, and SEED_SIZE random bytes: a guest that was saved has those of then.
BEGIN = 0x83

# On the payload's port, in both directions.
#: Bytes of the payload's standard input, output, or error. An empty one ends the stream, whichever side sends it.
STDIN = 0x10
STDOUT = 0x11
STDERR = 0x12
#: The rows and columns of the payload's terminal, 2 bytes each, little-endian.
WINDOW = 0x13
#: The payload runs; from now on it can be given its standard input.
STARTED = 0x14

TYPE_NAMES = {
    HELLO: "hello",
    TAPE: "tape",
    LIFECYCLE: "lifecycle",
    LOG: "log",
    OUTCOME: "outcome",
    EXIT: "exit",
    INTERNAL_ERROR: "internal-error",
    PROBE: "probe",
    OPERATIONS: "operations",
    FILE: "file",
    ORDERED: "ordered",
    ACK: "ack",
    INTERRUPT: "interrupt",
    STDIN: "stdin",
    STDOUT: "stdout",
    STDERR: "stderr",
    WINDOW: "window",
    STARTED: "started",
    ORDERS: "orders",
    BEGIN: "begin",
}

_CHECKED = Struct("<4sBBII")
_CRC = Struct("<I")
_CLOCK = Struct("<d")
_SEQUENCES = 1 << 32
#: Bytes of random numbers that a guest gets.
SEED_SIZE = 32
HEADER_SIZE = _CHECKED.size + _CRC.size


class Frame:
    """One frame: its type (a constant of this module), its sequence number, its payload."""

    __slots__ = ("payload", "sequence", "type")

    def __init__(self, type: int, sequence: int, payload: bytes) -> None:
        self.type = type
        self.sequence = sequence
        self.payload = payload

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Frame):
            return NotImplemented
        mine = (self.type, self.sequence, self.payload)
        return mine == (other.type, other.sequence, other.payload)

    def __hash__(self) -> int:
        return hash((self.type, self.sequence, self.payload))

    def __repr__(self) -> str:
        name = TYPE_NAMES.get(self.type, hex(self.type))
        return f"<Frame {name} #{self.sequence}, {len(self.payload)} bytes>"


class FrameError(Exception):
    """The stream is damaged, and nothing after this point can be believed.

    ``frames`` are the sound frames that the same ``feed`` found before the damage: none of them is lost.
    ``offset`` counts bytes from the start of the stream to the header of the bad frame.
    """

    def __init__(self, reason: str, offset: int) -> None:
        super().__init__(f"{reason} (at byte {offset} of the stream)")
        self.reason = reason
        self.offset = offset
        self.frames: list[Frame] = []


class Ending:
    """How a stream ended: at a border between frames (``leftover == 0``), or inside a frame."""

    __slots__ = ("leftover",)

    def __init__(self, leftover: int) -> None:
        self.leftover = leftover

    @property
    def truncated(self) -> bool:
        return self.leftover > 0

    def __repr__(self) -> str:
        return f"<Ending truncated, {self.leftover} bytes left over>" if self.leftover else "<Ending clean>"


def encode(type: int, sequence: int, payload: bytes) -> bytes:
    """The bytes of one frame. ``ValueError`` when the payload exceeds MAX_PAYLOAD: the caller splits it."""
    if len(payload) > MAX_PAYLOAD:
        raise ValueError(f"payload of {len(payload)} bytes, a frame holds {MAX_PAYLOAD}")
    checked = _CHECKED.pack(MAGIC, VERSION, type, sequence % _SEQUENCES, len(payload))
    return checked + _CRC.pack(crc32(payload, crc32(checked))) + payload


def encode_ack(sequence: int, acknowledged: int) -> bytes:
    """The frame with which the host says that frame number ``acknowledged`` has arrived."""
    return encode(ACK, sequence, _CRC.pack(acknowledged))


def encode_interrupt(sequence: int, number: int) -> bytes:
    """The frame with which the host asks PID 1 to end the run, as the signal ``number`` would."""
    return encode(INTERRUPT, sequence, bytes((number,)))


def encode_begin(sequence: int, now: float, seed: bytes) -> bytes:
    """The frame with which the host ends the orders. ``now`` is in seconds since the epoch."""
    return encode(BEGIN, sequence, _CLOCK.pack(now) + seed)


def begun(payload: bytes) -> tuple[float, bytes]:
    """The time and the seed that a BEGIN frame brings. ``ValueError`` when it is no well-formed one."""
    if len(payload) != _CLOCK.size + SEED_SIZE:
        raise ValueError(f"a time and {SEED_SIZE} random bytes are wanted, not {len(payload)} bytes")
    return _CLOCK.unpack_from(payload)[0], payload[_CLOCK.size :]


def acknowledged(frame: Frame) -> int:
    """The sequence number that an ACK frame names. ``ValueError`` when it is no well-formed ACK."""
    if frame.type != ACK or len(frame.payload) != _CRC.size:
        raise ValueError(f"not an acknowledgement: {frame!r}")
    (sequence,) = _CRC.unpack(frame.payload)
    return int(sequence)


class Decoder:
    """Turns chunks of a stream, cut anywhere, into frames. It holds at most one unfinished frame.

    After a ``FrameError`` each further ``feed`` and ``finish`` raises it again: a damaged stream never heals.
    """

    __slots__ = ("_buffer", "_error", "_offset", "_sequence")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._offset = 0
        self._sequence = 0
        self._error: FrameError | None = None

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that ``data`` completes, in order. Raises FrameError when the stream is damaged."""
        if self._error is not None:
            self._error.frames = []
            raise self._error
        self._buffer += data
        frames: list[Frame] = []
        position = 0
        try:
            while (end := self._check(position)) is not None:
                frames.append(self._frame(position, end))
                position = end
        except FrameError as error:
            error.frames = frames
            self._error = error
            self._buffer.clear()
            raise
        self._offset += position
        del self._buffer[:position]
        return frames

    def finish(self) -> Ending:
        """Says how the stream ended. Raises FrameError when it was damaged before that."""
        if self._error is not None:
            raise self._error
        return Ending(len(self._buffer))

    def _check(self, start: int) -> int | None:
        """Where the frame at ``start`` ends, or None as long as it is not all there."""
        # The magic is checked as far as it has come: noise of three bytes must not wait for a fourth.
        head = bytes(self._buffer[start : start + len(MAGIC)])
        if not MAGIC.startswith(head):
            raise self._damage(start, f"bad magic {head!r}")
        if len(self._buffer) - start < HEADER_SIZE:
            return None
        _, version, _, sequence, length = _CHECKED.unpack_from(self._buffer, start)
        if version != VERSION:
            raise self._damage(start, f"version {version}, this side speaks {VERSION}")
        if length > MAX_PAYLOAD:
            raise self._damage(start, f"length {length} exceeds {MAX_PAYLOAD}")
        if sequence != self._sequence:
            raise self._damage(start, f"sequence {sequence}, expected {self._sequence}")
        end = start + HEADER_SIZE + int(length)
        return end if len(self._buffer) >= end else None

    def _frame(self, start: int, end: int) -> Frame:
        body = start + HEADER_SIZE
        payload = bytes(self._buffer[body:end])
        checked = bytes(self._buffer[start : start + _CHECKED.size])
        (expected,) = _CRC.unpack_from(self._buffer, start + _CHECKED.size)
        if crc32(payload, crc32(checked)) != expected:
            raise self._damage(start, "checksum does not match")
        frame = Frame(checked[5], self._sequence, payload)
        self._sequence = (self._sequence + 1) % _SEQUENCES
        return frame

    def _damage(self, start: int, reason: str) -> FrameError:
        return FrameError(reason, self._offset + start)
