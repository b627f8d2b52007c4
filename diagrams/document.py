"""The head that every HTML file of ours has: it is whole by itself, and a browser is told so."""

from __future__ import annotations


def head(title: str, style: str, *, scripts: bool = False) -> list[str]:
    """The lines up to and with <body>. `title` is escaped already. Nothing is loaded from elsewhere, and without
    `scripts` nothing is executed."""
    policy = "default-src 'none'; style-src 'unsafe-inline'" + ("; script-src 'unsafe-inline'" if scripts else "")
    return [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        f"<title>{title}</title>",
        f"<style>\n{style.rstrip()}\n</style>",
        "</head>",
        "<body>",
    ]
