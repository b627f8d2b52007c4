"""A hierarchical machine of transitions, as an object."""

from transitions.extensions import HierarchicalMachine

STATES = [
    "off",
    {
        "name": "on",
        "on_enter": "light",
        "on_exit": "dark",
        "initial": "red",
        "children": [
            {"name": "red", "on_enter": "stop_them"},
            {"name": "green", "on_exit": "warn"},
            {"name": "amber", "children": ["steady", "flashing"], "initial": "steady"},
        ],
        "transitions": [
            ["tick", "red", "green"],
            ["tick", "green", "amber"],
            ["tick", "amber", "red"],
            ["fail", "amber_steady", "amber_flashing"],
        ],
    },
    "dark",
]


class Signals:
    def light(self) -> None: ...
    def dark(self) -> None: ...
    def stop_them(self) -> None: ...
    def warn(self) -> None: ...
    def is_night(self) -> bool:
        return bool(self.night)

    night = False


signals = Signals()
machine = HierarchicalMachine(
    signals,
    states=STATES,
    initial="off",
    transitions=[
        {"trigger": "switch", "source": "off", "dest": "on"},
        {"trigger": "switch", "source": "on", "dest": "off"},
        {"trigger": "fail", "source": "on", "dest": "on_amber_flashing", "unless": "is_night"},
        {"trigger": "cut", "source": ["off", "on"], "dest": "dark"},
    ],
)
