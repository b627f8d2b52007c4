"""Fails before it has said anything to the host."""


def main() -> None:
    print(1 // 0)
