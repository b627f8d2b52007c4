"""The still picture: well-formed whatever a tape holds, all there, and honest about what it draws as one."""

from __future__ import annotations

import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from tests.diagrams.timeline.tapes import REACHED, SCENARIOS, chart, event, header, lines, played, start, step
from tests.diagrams.timeline.test_html import HOSTILE, hostile

from scxlife.diagrams.timeline.chart import Chart, Tone
from scxlife.diagrams.timeline.pauses import pauses, place, scaled
from scxlife.diagrams.timeline.plain import one_line
from scxlife.diagrams.timeline.reading import read
from scxlife.diagrams.timeline.shapes import shape
from scxlife.diagrams.timeline.svg import svg
from scxlife.fsm.tape_reader import TapeReader
from scxlife.lifecycle.options import shipped

NAME = "{http://www.w3.org/2000/svg}"


def ejected() -> Chart:
    return read("e.tape", TapeReader(played(REACHED / "detached-reattach-late-2.yaml")), shipped())


def words(text: str) -> list[str]:
    return [each.text or "" for each in ElementTree.fromstring(text.encode()).iter(f"{NAME}text")]


@pytest.mark.parametrize("scenario", sorted(SCENARIOS.glob("*.yaml")), ids=lambda path: str(path.stem)[:40])
def test_a_picture_has_its_lanes_its_states_and_its_way(scenario: Path) -> None:
    seen = read("s.tape", TapeReader(played(scenario)), shipped())
    shown = words(svg([seen]))
    states = {span.label for lane in seen.lanes if lane.title == "state" for span in lane.spans}
    assert {lane.title for lane in seen.lanes} | states <= set(shown)
    assert {mark.led for lane in seen.lanes for mark in lane.marks if mark.led} <= set(shown)


def test_every_moment_is_drawn_or_counted_and_every_span_is_drawn() -> None:
    seen = ejected()
    root = ElementTree.fromstring(svg([seen]).encode())
    shapes = [each for each in root.iter() if each.get("class", "").startswith("tone-")]
    bars = [each for each in root.iter(f"{NAME}rect") if (each.get("class") or "").split()[0] in ("span", "pale")]
    spans = sum(len(lane.spans) for lane in seen.lanes)
    fewer = f"{spans} spans are drawn as {len(bars)}: those that are too narrow are one." in words(svg([seen]))
    assert fewer == (len(bars) < spans)
    total = sum(len(lane.marks) for lane in seen.lanes)
    drawn = len(shapes) - len(Tone)  # the legend has one of each
    assert f"{total} moments are drawn as {drawn}: those too close are one, with their number." in words(svg([seen]))


def test_a_hostile_tape_is_well_formed_and_stays_text() -> None:
    text = svg([hostile()])
    root = ElementTree.fromstring(text.encode())
    assert {each.tag.removeprefix(NAME) for each in root.iter()} <= {
        "svg",
        "title",
        "style",
        "rect",
        "path",
        "text",
        "g",
        "ellipse",
    }
    titles = " ".join(each.text or "" for each in root.iter(f"{NAME}title"))
    assert all(one_line(each, 120) in titles for each in HOSTILE)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", text)


@pytest.mark.skipif(shutil.which("xmllint") is None, reason="xmllint is not installed: apt-get install libxml2-utils")
def test_another_reader_of_xml_takes_it_too(tmp_path: Path) -> None:
    file = tmp_path / "a.svg"
    file.write_text(svg([hostile(), ejected()]), "utf-8")
    done = subprocess.run(["xmllint", "--noout", file], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_of_a_long_tape_the_picture_stays_small_and_says_what_it_draws_as_one() -> None:
    records = [header(), start()]
    for n in range(3000):
        records += [event(11.0 + n, "press"), step(11.0 + n, ("off", "on")[n % 2], "press", ("on", "off")[n % 2])]
    text = svg([chart(*records)])
    assert len(text) < 150_000
    shown = words(text)
    assert any(re.fullmatch(r"3001 moments are drawn as \d\d?\d?: those too close are one, .*", each) for each in shown)
    assert any(
        re.fullmatch(r"3001 spans are drawn as \d+: those that are too narrow are one\.", each) for each in shown
    )
    assert "⋯ 2960 more are left out here ⋯" in shown


def test_many_states_share_the_last_row_and_that_says_how_many_they_are() -> None:
    records = [header(), start(state="s0")]
    for n in range(30):
        records += [event(11.0 + n, "press"), step(11.0 + n, f"s{n}", "press", f"s{n + 1}")]
    assert "14 other states" in words(svg([chart(*records)]))


def test_what_a_tape_lacks_is_in_its_picture() -> None:
    shown = words(svg([chart(header(), start())]))
    assert "! a.tape: it has no end: the run was cut off, or is still going on" in shown
    assert "a.tape: without its definition only those deadlines are shown that came" in shown


def test_several_tapes_stand_below_each_other_on_one_axis() -> None:
    one, other = (
        chart(header(), start(), name="one.tape"),
        chart({**header(), "t": 12.0}, start(13.0), name="other.tape"),
    )
    shown = words(svg([one, other]))
    assert shown.index("one.tape") < shown.index("other.tape")
    assert "3.000 s from 10.000000 s of its clock; times count from there" in shown


def test_no_two_tones_have_one_shape() -> None:
    outlines = [re.sub(r'class="[^"]*" ', "", shape(tone, 0, 0)) for tone in Tone]
    # An open circle and a filled one differ by their fill alone, which is no colour.
    assert outlines.count(shape(Tone.PLAIN, 0, 0).replace('class="tone-plain" ', "")) == 2
    assert len(set(outlines)) == len(Tone) - 1


def test_equal_charts_give_equal_text_and_an_empty_tape_a_picture() -> None:
    assert svg([ejected()]) == svg([ejected()])
    assert words(svg([read("x.tape", TapeReader(lines([header()])), None)]))[0] == "lamp 3"


# -- the axis


def test_the_longest_stretches_are_shortened_and_the_rest_is_in_proportion() -> None:
    times = [0.0, 0.1, 0.2, 0.3, 0.4, 5.0, 5.1, 5.2, 5.3, 5.4, 9.0]
    cuts = pauses(times)
    assert cuts == [(0.4, 5.0), (5.4, 9.0)]
    corners = scaled(0.0, 9.0, cuts, 0.1)
    assert [round(place(t, corners), 6) for t in times] == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]


def test_where_nothing_stands_out_nothing_is_shortened() -> None:
    assert pauses([float(n) for n in range(20)]) == []
    assert pauses([0.0, 100.0]) == []
    assert pauses([1.0]) == []
