"""The page: one file without a network, and what it shows and does in a browser."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from tests.diagrams.timeline.browser import Page
from tests.diagrams.timeline.tapes import (
    REACHED,
    action,
    chart,
    end,
    event,
    header,
    lamp,
    lines,
    played,
    start,
    step,
)

from scxlife.diagrams.timeline.chart import Chart
from scxlife.diagrams.timeline.html import html
from scxlife.diagrams.timeline.plain import visible
from scxlife.diagrams.timeline.reading import read
from scxlife.fsm.tape_reader import TapeReader
from scxlife.lifecycle.options import shipped

HOSTILE = (
    "</script><script>document.title='broken'</script>",
    "<!--<script>",
    "]]></noscript></svg><img src=x onerror=\"document.title='broken'\">",
    '" onmouseover="x" \'&lt;&amp;',
    "\x1b[2J\x00\x07\x7f\x9b",
    "\udc80\udcff bytes",
    "\u202egnirts\u2066\u2028\u2029\ufeff",
    "𝄞 e\u0301 \U0001f600",
)


def ejected() -> Chart:
    return read("e.tape", TapeReader(played(REACHED / "detached-reattach-late-2.yaml")), shipped())


def hostile() -> Chart:
    records = [header(HOSTILE[0]), start(state=HOSTILE[1])]
    for number, words in enumerate(HOSTILE):
        t = 11.0 + number
        told = {words: words, "line": words}
        records += [event(t, words, words, **told), step(t, words, words, words, cause=words, data=told, verdict=words)]
        records += [action(t, words, "failed", error=words)]
    return chart(*records, end(30.0, HOSTILE[2], HOSTILE[3]), name=HOSTILE[0])


def opened(page: Page, tmp_path: Path, *charts: Chart, **how: Any) -> None:
    file = tmp_path / "timeline.html"
    file.write_text(html(charts), "utf-8")
    page.open(file, **how)
    page.settled()


def chosen(page: Page) -> dict[str, str]:
    """What the panel says of the mark that is chosen."""
    pairs = page.value("[...document.querySelectorAll('#panel dt')].map((e) => [e.innerText, e.nextSibling.innerText])")
    return {"": page.value("document.querySelector('#panel h2')?.innerText ?? ''"), **dict(pairs)}


def listed(page: Page) -> list[list[str]]:
    rows = "[...document.querySelectorAll('#rows tr')].map((row) => [...row.cells].map((cell) => cell.innerText))"
    found: list[list[str]] = page.value(rows)
    return found


def counted(page: Page) -> str:
    return str(page.value("document.getElementById('counted').innerText"))


def focus(page: Page) -> None:
    page.value("document.getElementById('chart').focus({ preventScroll: true })")


class Parts(HTMLParser):
    """The elements of a document, and the words of those that hold scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self._within = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._within = tag == "script"

    def handle_endtag(self, tag: str) -> None:
        self._within = False

    def handle_data(self, data: str) -> None:
        if self._within:
            self.scripts.append(data)


def test_foreign_words_make_no_element_no_attribute_and_no_script() -> None:
    tame = chart(header("lamp"), start(), *_same_shape(), end(30.0, "c", "d"), name="a")
    wild, plain = Parts(html([hostile()])), Parts(html([tame]))
    assert [tag for tag, _ in wild.tags].count("script") == 2
    assert {tag for tag, _ in wild.tags} == {tag for tag, _ in plain.tags}
    assert not any(name.startswith("on") for _, attrs in wild.tags for name in attrs)
    assert len(wild.scripts) == 2
    told = json.loads(wild.scripts[0])
    assert {visible(words) for words in HOSTILE} <= set(told["texts"])


def _same_shape() -> list[dict[str, Any]]:
    records = []
    for number in range(len(HOSTILE)):
        t, name = 11.0 + number, f"e{number}"
        told = {name: name, "line": name}
        records += [event(t, name, name, **told), step(t, name, name, name, cause=name, data=told, verdict=name)]
        records += [action(t, name, "failed", error=name)]
    return records


def test_nothing_is_fetched_and_nothing_goes_wrong(page: Page, tmp_path: Path) -> None:
    opened(page, tmp_path, ejected())
    for key in ("ArrowRight", "ArrowDown", "+", "-", "0"):
        focus(page)
        page.key(key)
    page.settled()
    assert page.requests() == [(tmp_path / "timeline.html").as_uri()]
    assert page.complaints() == []


def test_a_hostile_tape_does_no_harm_in_a_browser(page: Page, tmp_path: Path) -> None:
    opened(page, tmp_path, hostile())
    assert page.value("document.title") == f"{visible(HOSTILE[0])} 3: {visible(HOSTILE[3])}: timeline"
    assert page.value("document.querySelectorAll('script').length") == 2
    assert page.value("document.querySelectorAll('img, body > script ~ *').length") <= 1
    seen = {cell for row in listed(page) for cell in row[2:3]}
    assert {visible(words).strip() for words in HOSTILE} <= seen
    focus(page)
    for _ in range(12):
        page.key("ArrowRight")
    assert page.complaints() == []
    assert page.requests() == [(tmp_path / "timeline.html").as_uri()]


def test_at_first_all_moments_are_in_view_and_what_settled_the_end_is_told(page: Page, tmp_path: Path) -> None:
    seen = ejected()
    opened(page, tmp_path, seen)
    number = sum(len(lane.marks) for lane in seen.lanes)
    assert counted(page) == f"{number} of {number} moments in view"
    told = chosen(page)
    verdict = next(mark for lane in seen.lanes for mark in lane.marks if mark.tone == "verdict")
    assert told[""] == verdict.label
    assert told["tape"] == f"line {verdict.line}"
    assert told["time"] == f"{verdict.t - seen.begin:.6f} s"
    assert {"event", "state", "cause", "delivered", "guards", "because"} & set(told) >= {"event", "state", "cause"}


def test_the_keys_go_through_all_moments_in_the_order_of_time(page: Page, tmp_path: Path) -> None:
    seen = ejected()
    opened(page, tmp_path, seen)
    every = sorted((round(mark.t - seen.begin, 9), mark.line) for lane in seen.lanes for mark in lane.marks)
    focus(page)
    page.key("Escape")
    lines_told = []
    for _ in every:
        page.key("ArrowRight")
        lines_told.append(int(chosen(page)["tape"].removeprefix("line ")))
    assert lines_told == [line for _, line in every]
    page.key("ArrowLeft")
    assert chosen(page)["tape"] == f"line {every[-2][1]}"


def test_zooming_by_key_wheel_and_button_shows_less_and_all_shows_all(page: Page, tmp_path: Path) -> None:
    opened(page, tmp_path, ejected())
    whole = counted(page)
    number = int(whole.split()[0])
    box = page.value("(({x, y, width}) => [x, y, width])(document.getElementById('chart').getBoundingClientRect())")

    def wheel() -> None:
        page.mouse("mouseWheel", box[0] + box[2] / 2, box[1] + 60, deltaX=0, deltaY=-900)

    def key() -> None:
        focus(page)
        for _ in range(6):
            page.key("+")

    def button() -> None:
        page.value("for (let i = 0; i < 5; i++) document.getElementById('in').click()")

    for zoom in (wheel, key, button):
        zoom()
        page.settled()
        assert 0 < int(counted(page).split()[0]) < number, zoom
        page.value("document.getElementById('all').click()")
        page.settled()
        assert counted(page) == whole


def test_dragging_moves_what_is_in_view(page: Page, tmp_path: Path) -> None:
    opened(page, tmp_path, ejected())
    page.value("for (let i = 0; i < 2; i++) document.getElementById('in').click()")
    focus(page)
    page.key("Home")
    page.settled()
    before = listed(page)
    y = page.value("document.getElementById('chart').getBoundingClientRect().y") + 50
    page.mouse("mousePressed", 900, y, button="left", buttons=1, clickCount=1)
    for x in (800, 600, 300):
        page.mouse("mouseMoved", x, y, button="left", buttons=1)
    page.mouse("mouseReleased", 300, y, button="left", clickCount=1)
    page.settled()
    after = listed(page)
    assert after != before
    assert float(after[0][0]) > float(before[0][0])


def test_a_pointer_over_a_mark_is_told_of_it_and_a_click_keeps_it(page: Page, tmp_path: Path) -> None:
    lone = chart(
        header(), start(), event(11.0, "press", finger="left"), step(11.0, "off", "press", "on"), definition=lamp()
    )
    opened(page, tmp_path, lone)
    left, top, width = page.value(
        "(({x, y, width}) => [x, y, width])(document.getElementById('chart').getBoundingClientRect())"
    )
    events = page.value("document.getElementById('chart').getBoundingClientRect().height") + top - 18
    found = ""
    for x in range(int(left) + 104, int(left + width) - 4, 6):
        page.mouse("mouseMoved", x, events)
        if page.value("document.getElementById('tip').hidden") is False:
            found = page.value("document.getElementById('tip').innerText")
            page.mouse("mousePressed", x, events, button="left", buttons=1, clickCount=1)
            page.mouse("mouseReleased", x, events, button="left", clickCount=1)
            break
    assert "press" in found
    assert chosen(page)["data.finger"] == "left"


def test_a_search_leaves_only_what_has_all_of_its_words(page: Page, tmp_path: Path) -> None:
    opened(page, tmp_path, ejected())
    page.value("document.getElementById('search').focus()")
    page.ask("Input.insertText", text="KERNEL log disabled")
    page.settled()
    rows = listed(page)
    assert rows
    assert all("disabled" in " ".join(row) for row in rows)
    assert page.value("document.getElementById('matches').innerText").startswith(f"{len(rows)} of ")
    page.key("Enter")
    assert "disabled" in chosen(page)["data.line"]


def test_pauses_can_be_shown_as_long_as_they_are_and_what_is_in_view_stays(page: Page, tmp_path: Path) -> None:
    opened(page, tmp_path, ejected())
    assert page.value("document.getElementById('shorten').checked") is True
    page.value("for (let i = 0; i < 2; i++) document.getElementById('in').click()")
    page.settled()
    seen = listed(page)
    assert 0 < len(seen) < sum(len(lane.marks) for lane in ejected().lanes)
    for checked in (False, True):
        page.value("document.getElementById('shorten').click()")
        page.settled()
        assert page.complaints() == []
        assert page.value("document.getElementById('shorten').checked") is checked
        assert listed(page) == seen, "the same moments are in view"


def test_on_a_phone_nothing_is_wider_than_the_screen_and_a_tap_tells(page: Page, tmp_path: Path) -> None:
    opened(page, tmp_path, ejected(), width=390, height=844, touch=True)
    assert page.value("document.documentElement.scrollWidth") <= 390
    top = page.value("document.getElementById('chart').getBoundingClientRect().y")
    focus(page)
    page.key("Escape")
    assert chosen(page)[""] == ""
    page.ask("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": 200, "y": top + 48}])
    page.ask("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
    page.settled()
    assert chosen(page)["lane"].startswith("process: ")


def test_dark_is_dark_and_light_is_light(page: Page, tmp_path: Path) -> None:
    pixel = "[...document.getElementById('chart').getContext('2d').getImageData(3, 3, 1, 1).data].slice(0, 3)"
    shades = []
    for scheme in ("light", "dark"):
        page.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        opened(page, tmp_path, ejected())
        shades.append(sum(page.value(pixel)) / 3)
    page.ask("Emulation.setEmulatedMedia", features=[])
    assert shades[0] > 200
    assert shades[1] < 60


def test_without_scripts_the_picture_and_a_table_stand_there(page: Page, tmp_path: Path) -> None:
    page.ask("Emulation.setScriptExecutionDisabled", value=True)
    try:
        opened_without_waiting(page, tmp_path, ejected())
        page.ask("DOM.enable")
        root = page.ask("DOM.getDocument", depth=-1)["root"]["nodeId"]
        found = page.ask("DOM.querySelectorAll", nodeId=root, selector="noscript svg .span, noscript tbody tr")
        assert len(found["nodeIds"]) > 50
    finally:
        page.ask("Emulation.setScriptExecutionDisabled", value=False)


def opened_without_waiting(page: Page, tmp_path: Path, *charts: Chart) -> None:
    file = tmp_path / "timeline.html"
    file.write_text(html(charts), "utf-8")
    page.open(file)


def test_of_many_moments_the_table_without_scripts_says_how_many_are_left_out() -> None:
    records = [record for n in range(400) for record in (event(11.0 + n, "hold"), action(11.0 + n, "shine"))]
    text = html([chart(header(), start(), *records)])
    assert "<p>The first 500 of 801 moments. All of them are in this file, for its script.</p>" in text


def test_a_tape_of_a_single_record_is_a_page_too(page: Page, tmp_path: Path) -> None:
    opened(page, tmp_path, read("x.tape", TapeReader(lines([header()])), None))
    assert counted(page) == "0 of 0 moments in view"
    focus(page)
    for key in ("ArrowRight", "ArrowLeft", "ArrowUp", "ArrowDown", "+", "-"):
        page.key(key)
    assert page.complaints() == []


@pytest.mark.parametrize("number", [1, 3])
def test_equal_charts_give_equal_text(number: int) -> None:
    assert html([ejected()] * number) == html([ejected()] * number)
