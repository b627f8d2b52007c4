"""TCP's connection states: the table against RFC 9293, and the classic lives of a connection."""

from __future__ import annotations

from itertools import pairwise

import attrs
import pytest

from scxlife.fsm.definition import GO, Definition
from scxlife.fsm.events import Event
from scxlife.fsm.runtime import Refused

from .bench import Bench, definition_of

TCP = definition_of("tcp")
FOUR_MINUTES = 240.0

# Figure 5, arrow by arrow: from, on, what happens to the TCB, the segment that is sent, to. The condition of an
# arrow is the figure's own (note 1) or the call's (an active OPEN and a SEND need to know the peer).
FIGURE = [
    ("closed", "passive_open", "", "create", "", "listen"),
    ("closed", "active_open", "peer_known", "create", "SYN", "syn_sent"),
    ("listen", "close", "", "delete", "", "closed"),
    ("listen", "rcv_syn", "", "", "SYN,ACK", "syn_received"),
    ("listen", "send", "peer_known", "", "SYN", "syn_sent"),
    ("syn_sent", "close", "", "delete", "", "closed"),
    ("syn_sent", "rcv_syn", "", "", "SYN,ACK", "syn_received"),
    ("syn_sent", "rcv_syn_ack", "", "", "ACK", "established"),
    ("syn_received", "rcv_rst", "opened_passively", "", "", "listen"),
    ("syn_received", "rcv_ack_of_syn", "", "", "", "established"),
    ("syn_received", "close", "", "", "FIN", "fin_wait_1"),
    ("established", "close", "", "", "FIN", "fin_wait_1"),
    ("established", "rcv_fin", "", "", "ACK", "close_wait"),
    ("fin_wait_1", "rcv_ack_of_fin", "", "", "", "fin_wait_2"),
    ("fin_wait_1", "rcv_fin", "", "", "ACK", "closing"),
    ("fin_wait_2", "rcv_fin", "", "", "ACK", "time_wait"),
    ("close_wait", "close", "", "", "FIN", "last_ack"),
    ("closing", "rcv_ack_of_fin", "", "", "", "time_wait"),
    # The figure shows no action here; section 3.10.7.4 deletes the TCB, as every way to CLOSED does.
    ("last_ack", "rcv_ack_of_fin", "", "", "", "closed"),
    ("time_wait", "time_wait_over", "", "delete", "", "closed"),
]

# From the RFC's text, not in the figure: the section, and the same columns.
TEXT = [
    ("3.3.2 note 2", "fin_wait_1", "rcv_fin_ack", "", "", "ACK", "time_wait"),
    ("3.5 figure 7", "syn_received", "rcv_syn_ack", "", "", "", "established"),
    ("3.10.1", "listen", "active_open", "peer_known", "", "SYN", "syn_sent"),
    ("3.10.1 insufficient resources", "listen", "fault", "not tcb_exists", "", "", "closed"),
    ("3.10.1 insufficient resources", "syn_sent", "fault", "not tcb_exists", "", "", "closed"),
    ("3.10.5", "listen", "abort", "", "delete", "", "closed"),
    ("3.10.5", "syn_sent", "abort", "", "delete", "", "closed"),
    ("3.10.5", "syn_received", "abort", "", "delete", "RST", "closed"),
    ("3.10.5", "established", "abort", "", "delete", "RST", "closed"),
    ("3.10.5", "fin_wait_1", "abort", "", "delete", "RST", "closed"),
    ("3.10.5", "fin_wait_2", "abort", "", "delete", "RST", "closed"),
    ("3.10.5", "close_wait", "abort", "", "delete", "RST", "closed"),
    ("3.10.5", "closing", "abort", "", "delete", "", "closed"),
    ("3.10.5", "last_ack", "abort", "", "delete", "", "closed"),
    ("3.10.5", "time_wait", "abort", "", "delete", "", "closed"),
    ("3.10.7.3 second", "syn_sent", "rcv_rst", "", "delete", "", "closed"),
    ("3.10.7.4 second", "syn_received", "rcv_rst", "", "delete", "", "closed"),
    ("3.10.7.4 second", "established", "rcv_rst", "", "delete", "", "closed"),
    ("3.10.7.4 second", "fin_wait_1", "rcv_rst", "", "delete", "", "closed"),
    ("3.10.7.4 second", "fin_wait_2", "rcv_rst", "", "delete", "", "closed"),
    ("3.10.7.4 second", "close_wait", "rcv_rst", "", "delete", "", "closed"),
    ("3.10.7.4 second", "closing", "rcv_rst", "", "delete", "", "closed"),
    ("3.10.7.4 second", "last_ack", "rcv_rst", "", "delete", "", "closed"),
    ("3.10.7.4 second", "time_wait", "rcv_rst", "", "delete", "", "closed"),
    ("3.10.7.4 fourth", "syn_received", "rcv_syn", "opened_passively", "", "", "listen"),
    ("3.10.7.4 fourth", "syn_received", "rcv_syn_ack", "opened_passively", "", "", "listen"),
    ("3.10.7.4 fifth", "closing", "rcv_fin_ack", "", "", "ACK", "time_wait"),
    ("3.10.7.4 fifth", "last_ack", "rcv_fin_ack", "", "delete", "", "closed"),
    ("3.10.7.4 eighth", "syn_received", "rcv_fin", "", "", "ACK", "close_wait"),
    ("3.10.7.4 eighth", "time_wait", "rcv_fin", "", "", "ACK", "time_wait"),
    ("3.10.8", "syn_sent", "user_timed_out", "", "delete", "", "closed"),
    ("3.10.8", "syn_received", "user_timed_out", "", "delete", "", "closed"),
    ("3.10.8", "fin_wait_1", "user_timed_out", "", "delete", "", "closed"),
    ("3.10.8", "closing", "user_timed_out", "", "delete", "", "closed"),
    ("3.10.8", "last_ack", "user_timed_out", "", "delete", "", "closed"),
]

SENDS = {"snd_syn": "SYN", "snd_syn_ack": "SYN,ACK", "snd_ack": "ACK", "snd_fin": "FIN", "snd_rst": "RST"}

Arrow = tuple[str, str, str, str, str]


def arrows(definition: Definition) -> dict[Arrow, tuple[str, ...]]:
    """Every `go` that leaves its state, as (from, on, condition, segments, to), with its actions."""
    found = {}
    for (state, event), cell in definition.cells.items():
        for branch in cell:
            decision = branch.decision
            if decision.kind == GO and not decision.internal:
                condition = " and ".join(name if wanted else f"not {name}" for name, wanted in branch.guards)
                segments = " ".join(SENDS[action] for action in decision.actions if action in SENDS)
                found[state, event, condition, segments, decision.target] = decision.actions
    return found


def test_every_arrow_of_the_figure_is_in_the_table_with_its_segment_and_its_tcb() -> None:
    table = arrows(TCP)
    for state, event, condition, tcb, segment, to in FIGURE:
        arrow = (state, event, condition, segment, to)
        assert arrow in table
        assert not tcb or f"{tcb}_tcb" in table[arrow]
    assert len(FIGURE) == 20


def test_every_arrow_of_the_table_is_in_the_figure_or_in_a_named_section_of_the_text() -> None:
    figure = {(state, event, condition, segment, to) for state, event, condition, _, segment, to in FIGURE}
    text = {(state, event, condition, segment, to) for _, state, event, condition, _, segment, to in TEXT}
    assert not figure & text
    assert set(arrows(TCP)) == figure | text


def test_what_the_text_says_of_the_tcb_is_done() -> None:
    table = arrows(TCP)
    for _, state, event, condition, tcb, segment, to in TEXT:
        assert not tcb or f"{tcb}_tcb" in table[state, event, condition, segment, to]


def test_the_states_are_the_eleven_of_the_rfc() -> None:
    assert {name.replace("_", "-").upper() for name in TCP.states} == {
        "LISTEN", "SYN-SENT", "SYN-RECEIVED", "ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2",
        "CLOSE-WAIT", "CLOSING", "LAST-ACK", "TIME-WAIT", "CLOSED",
    }  # fmt: skip


def test_a_reset_is_never_answered_with_a_reset() -> None:
    for state in TCP.states:
        assert all("snd_rst" not in branch.decision.actions for branch in TCP.cells[state, "rcv_rst"])


# -- two ends and a wire -----------------------------------------------------------------------------------------


@attrs.frozen
class Segment:
    """`flags` of SYN, ACK, FIN, RST; `covers` says which of the receiver's SYN and FIN its ACK acknowledges."""

    flags: frozenset[str]
    covers: frozenset[str] = frozenset()
    data: str = ""


class End:
    """One end: a small TCB, and the segments that wait to be carried to the peer."""

    def __init__(self, *, peer_known: bool = True) -> None:
        self.bench: Bench
        self.outbox: list[Segment] = []
        self.received: list[str] = []
        self.told: list[str] = []
        self._peer_known = peer_known
        self._passive = False
        self._tcb = False
        self._forget()

    def _forget(self) -> None:
        self._queue: list[str] = []
        self._sent: set[str] = set()
        self._heard: set[str] = set()
        self._covered: set[str] = set()

    def _emit(self, *flags: str, data: str = "") -> None:
        self._sent |= {flag for flag in flags if flag in ("SYN", "FIN")}
        covers = self._heard if "ACK" in flags else set()
        self.outbox.append(Segment(frozenset(flags), frozenset(covers), data))

    # guards
    def opened_passively(self, event: Event) -> bool:
        return self._passive

    def peer_known(self, event: Event) -> bool:
        return self._peer_known

    def data_queued(self, event: Event) -> bool:
        return bool(self._queue)

    def tcb_exists(self, event: Event) -> bool:
        return self._tcb

    # actions
    def create_tcb(self, event: Event) -> None:
        self._tcb = True
        self._passive = event.name == "passive_open"
        self._forget()

    def delete_tcb(self, event: Event) -> None:
        self._tcb = False
        self._forget()

    def queue_data(self, event: Event) -> None:
        self._queue.append(str(event.data["text"]))

    def snd_data(self, event: Event) -> None:
        texts, self._queue = self._queue, []
        for text in [*texts, *([str(event.data["text"])] if event.name == "send" else [])]:
            self._emit("ACK", data=text)

    def snd_syn(self, event: Event) -> None:
        self._passive = False
        self._emit("SYN")

    def snd_syn_ack(self, event: Event) -> None:
        self._emit("SYN", "ACK")

    def snd_ack(self, event: Event) -> None:
        self._emit("ACK")

    def snd_fin(self, event: Event) -> None:
        self._emit("FIN", "ACK")

    def snd_rst(self, event: Event) -> None:
        self._emit("RST")

    def tell_closing(self, event: Event) -> None:
        self.told.append("closing")

    def tell_reset(self, event: Event) -> None:
        self.told.append("reset")

    def tell_refused(self, event: Event) -> None:
        self.told.append("refused")

    # the network's side
    def take(self, segment: Segment) -> None:
        """What arrives, named for the most that it says anew."""
        name = self._event_of(segment)
        self._heard |= segment.flags & {"SYN", "FIN"}
        self._covered |= segment.covers
        if segment.data:
            self.received.append(segment.data)
        if name is not None:
            self.bench.tell(name)

    def _event_of(self, segment: Segment) -> str | None:
        new = segment.covers - self._covered
        if "RST" in segment.flags:
            return "rcv_rst"
        if segment.covers - self._sent:
            return "rcv_bad_ack"
        if "SYN" in segment.flags:
            return "rcv_syn_ack" if "SYN" in segment.covers else "rcv_syn"
        if "FIN" in segment.flags:
            return "rcv_fin_ack" if "FIN" in new else "rcv_fin"
        if "FIN" in new:
            return "rcv_ack_of_fin"
        return "rcv_ack_of_syn" if "SYN" in new else None


def end(**known: bool) -> tuple[End, Bench]:
    world = End(**known)
    world.bench = Bench(TCP, world)
    return world, world.bench


def carry(a: End, b: End) -> None:
    """Everything that is under way arrives, and what that causes, until the wire is silent."""
    while a.outbox or b.outbox:
        to_b, a.outbox = a.outbox, []
        to_a, b.outbox = b.outbox, []
        for segment in to_b:
            b.take(segment)
        for segment in to_a:
            a.take(segment)


def connected() -> tuple[End, Bench, End, Bench]:
    client, c = end()
    server, s = end()
    s.tell("passive_open")
    c.tell("active_open")
    carry(client, server)
    assert (c.state, s.state) == ("established", "established")
    return client, c, server, s


def test_the_three_way_handshake_of_a_client_and_a_server() -> None:
    _, c, _, s = connected()
    assert c.path == ["closed", "syn_sent", "established"]
    assert s.path == ["closed", "listen", "syn_received", "established"]
    assert c.did() == ["delete_tcb", "create_tcb", "snd_syn", "snd_ack", "snd_data"]
    assert s.did() == ["delete_tcb", "create_tcb", "snd_syn_ack", "snd_data"]


def test_both_may_open_at_the_same_time() -> None:
    (a, first), (b, second) = end(), end()
    first.tell("active_open")
    second.tell("active_open")
    carry(a, b)
    assert first.path == second.path == ["closed", "syn_sent", "syn_received", "established"]


def test_data_that_was_given_before_the_handshake_is_sent_after_it() -> None:
    client, c = end()
    server, s = end()
    s.tell("passive_open")
    c.tell("active_open")
    c.tell("send", text="early")
    c.tell("send", text="bird")
    assert [segment.data for segment in client.outbox] == [""]
    carry(client, server)
    assert server.received == ["early", "bird"]


def test_a_listener_that_sends_becomes_a_client() -> None:
    client, c = end()
    server, s = end()
    s.tell("passive_open")
    c.tell("passive_open")
    c.tell("send", text="hello")
    carry(client, server)
    assert c.path == ["closed", "listen", "syn_sent", "established"]
    assert server.received == ["hello"]


def test_the_active_side_of_a_close_waits_two_msl_and_the_passive_side_does_not() -> None:
    client, c, server, s = connected()
    c.tell("close")
    carry(client, server)
    assert (c.state, s.state) == ("fin_wait_2", "close_wait")
    assert server.told == ["closing"]
    s.tell("close")
    carry(client, server)
    assert (c.state, s.state) == ("time_wait", "closed")
    assert s.path[-3:] == ["close_wait", "last_ack", "closed"]
    assert c.due_in() == FOUR_MINUTES
    assert c.wait(239.9) == "time_wait"
    assert c.wait(0.1) == "closed"
    assert c.due_in() is None


def test_a_half_closed_connection_still_carries_data_the_other_way() -> None:
    client, c, server, s = connected()
    c.tell("close")
    carry(client, server)
    s.tell("send", text="one more thing")
    carry(client, server)
    assert client.received == ["one more thing"]
    assert (c.state, s.state) == ("fin_wait_2", "close_wait")
    with pytest.raises(Refused, match="connection closing"):
        c.tell("send", text="too late")


def test_both_may_close_at_the_same_time() -> None:
    client, c, server, s = connected()
    c.tell("close")
    s.tell("close")
    carry(client, server)
    assert c.path[-4:] == s.path[-4:] == ["established", "fin_wait_1", "closing", "time_wait"]
    assert c.wait(FOUR_MINUTES) == s.wait(FOUR_MINUTES) == "closed"


def test_a_fin_that_brings_the_ack_of_our_fin_leads_straight_to_time_wait() -> None:
    """Note 2 of the figure: the peer closes before it has acknowledged, and says both in one segment."""
    client, c, server, s = connected()
    c.tell("close")
    fin = client.outbox.pop()
    server.take(fin)
    s.tell("close")
    client.take(server.outbox.pop())
    assert c.path[-3:] == ["established", "fin_wait_1", "time_wait"]


def test_a_lost_last_ack_is_given_again_and_time_wait_begins_anew() -> None:
    client, c, server, s = connected()
    c.tell("close")
    carry(client, server)
    s.tell("close")
    fin = server.outbox[0]
    client.take(fin)
    client.outbox.clear()
    c.wait(200.0)
    client.take(fin)
    assert c.due_in() == FOUR_MINUTES
    carry(client, server)
    assert s.state == "closed"


def test_a_close_in_syn_received_goes_at_once_without_data_and_behind_it_with_data() -> None:
    for text, path in ((None, ["fin_wait_1"]), ("first", ["established", "fin_wait_1"])):
        server, s = end()
        s.tell("passive_open", "rcv_syn")
        if text is not None:
            s.tell("send", text=text)
        s.tell("close")
        if text is not None:
            assert s.state == "syn_received"
            s.tell("rcv_ack_of_syn")
            assert [segment.data for segment in server.outbox[-2:]] == ["first", ""]
            assert "FIN" in server.outbox[-1].flags
        assert s.path[3:] == path


def test_a_call_to_nobody_is_reset_and_the_user_is_told() -> None:
    client, c = end()
    nobody, n = end()
    c.tell("active_open")
    carry(client, nobody)
    assert (c.path, n.state) == (["closed", "syn_sent", "closed"], "closed")
    assert client.told == ["reset"]


def test_a_half_open_peer_is_found_out_by_a_reset() -> None:
    """Section 3.5.1: one end has lost its memory and calls again; the other answers with an ACK of the old days."""
    client, c = end()
    c.tell("active_open")
    client.outbox.clear()
    client.take(Segment(frozenset({"ACK"}), frozenset({"SYN", "FIN"})))
    assert c.state == "syn_sent"
    assert [segment.flags for segment in client.outbox] == [frozenset({"RST"})]


# The way to each state, and where a reset leads from it.
WAYS = [
    ([], "closed", "closed"),
    (["passive_open"], "listen", "listen"),
    (["active_open"], "syn_sent", "closed"),
    (["passive_open", "rcv_syn"], "syn_received", "listen"),
    (["active_open", "rcv_syn"], "syn_received", "closed"),
    (["active_open", "rcv_syn_ack"], "established", "closed"),
    (["active_open", "rcv_syn_ack", "close"], "fin_wait_1", "closed"),
    (["active_open", "rcv_syn_ack", "close", "rcv_ack_of_fin"], "fin_wait_2", "closed"),
    (["active_open", "rcv_syn_ack", "rcv_fin"], "close_wait", "closed"),
    (["active_open", "rcv_syn_ack", "close", "rcv_fin"], "closing", "closed"),
    (["active_open", "rcv_syn_ack", "rcv_fin", "close"], "last_ack", "closed"),
    (["active_open", "rcv_syn_ack", "close", "rcv_fin_ack"], "time_wait", "closed"),
]


@pytest.mark.parametrize(("way", "state", "after"), WAYS, ids=["-".join(way) or "closed" for way, _, _ in WAYS])
def test_a_reset_ends_a_connection_and_spares_a_listener(way: list[str], state: str, after: str) -> None:
    world, bench = end()
    assert bench.tell(*way) == state
    world.outbox.clear()
    assert bench.tell("rcv_rst") == after
    assert world.outbox == []


@pytest.mark.parametrize(("way", "state", "after"), WAYS, ids=["-".join(way) or "closed" for way, _, _ in WAYS])
def test_an_abort_ends_every_connection_and_resets_a_peer_that_must_know(
    way: list[str], state: str, after: str
) -> None:
    world, bench = end()
    bench.tell(*way)
    world.outbox.clear()
    if state == "closed":
        with pytest.raises(Refused, match="does not exist"):
            bench.tell("abort")
        return
    assert bench.tell("abort") == "closed"
    told = state in ("syn_received", "established", "fin_wait_1", "fin_wait_2", "close_wait")
    assert [segment.flags for segment in world.outbox] == [frozenset({"RST"})] * told


def test_every_state_is_on_one_of_these_ways() -> None:
    assert {state for _, state, _ in WAYS} == TCP.states.keys()


@pytest.mark.parametrize("state", ["syn_sent", "syn_received", "fin_wait_1", "closing", "last_ack"])
def test_who_gets_no_answer_gives_up_after_the_user_timeout(state: str) -> None:
    way = next(way for way, reached, _ in WAYS if reached == state)
    _, bench = end()
    bench.tell(*way)
    assert bench.wait(299.9) == state
    bench.did()
    assert bench.wait(0.1) == "closed"
    assert bench.did() == ["tell_timed_out", "delete_tcb"]


def test_a_connection_that_does_not_exist_refuses_all_but_open_and_resets_all_but_resets() -> None:
    world, bench = end(peer_known=False)
    for call in ("send", "close", "abort"):
        with pytest.raises(Refused, match="does not exist"):
            bench.tell(call)
    with pytest.raises(Refused, match="remote socket unspecified"):
        bench.tell("active_open")
    world.take(Segment(frozenset({"SYN"})))
    world.take(Segment(frozenset({"FIN", "ACK"}), frozenset({"SYN"})))
    world.take(Segment(frozenset({"RST"})))
    assert [segment.flags for segment in world.outbox] == [frozenset({"RST"})] * 2
    assert bench.path == ["closed"]


def test_no_room_for_a_connection_leaves_none() -> None:
    class Full(End):
        def create_tcb(self, event: Event) -> None:
            raise MemoryError("no room")

    world = Full()
    world.bench = Bench(TCP, world)
    assert world.bench.tell("active_open") == "closed"
    assert world.outbox == []


def test_after_the_end_comes_another_beginning() -> None:
    _, bench = end()
    for _ in range(2):
        bench.tell("active_open", "rcv_syn_ack", "close", "rcv_ack_of_fin", "rcv_fin")
        assert bench.wait(FOUR_MINUTES) == "closed"
    assert all(a != b for a, b in pairwise(bench.path))
