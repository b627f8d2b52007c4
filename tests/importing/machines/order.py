"""Classes of python-statemachine."""

from typing import ClassVar

from statemachine import State, StateChart, StateMachine


class Order(StateMachine):
    """An order in a shop."""

    cart = State(initial=True)
    waiting = State("Waiting for money")
    packed = State(enter="print_label")
    sent = State(final=True)
    cancelled = State(final=True)

    check_out = cart.to(waiting, cond="has_goods") | waiting.to.itself(internal=True, on="remind")
    pay = waiting.to(packed, cond="enough and not blocked") | waiting.to(cancelled, cond="blocked")
    ship = packed.to(sent, before="weigh", after="notify")
    cancel = cancelled.from_(cart, waiting, packed, unless="too_late")

    values: ClassVar[dict[str, bool]] = {}

    def has_goods(self) -> bool:
        return self.values.get("has_goods", False)

    def enough(self) -> bool:
        return self.values.get("enough", False)

    def blocked(self) -> bool:
        return self.values.get("blocked", False)

    def too_late(self) -> bool:
        return self.values.get("too_late", False)

    def print_label(self) -> None: ...
    def remind(self) -> None: ...
    def weigh(self) -> None: ...
    def notify(self) -> None: ...
    def on_enter_waiting(self) -> None: ...


class Player(StateChart):
    """A music player with states in states."""

    class stopped(State.Compound):
        ready = State(initial=True)
        empty = State()
        eject = ready.to(empty)
        insert = empty.to(ready)

    class playing(
        State.Compound,
    ):
        normal = State(initial=True)
        fast = State()
        faster = normal.to(fast)
        slower = fast.to(normal)

    play = stopped.to(playing, cond="has_disc")
    stop = playing.to(stopped)
    eject_all = playing.to(stopped.empty)

    values: ClassVar[dict[str, bool]] = {}

    def has_disc(self) -> bool:
        return self.values.get("has_disc", False)
