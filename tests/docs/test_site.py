"""The site of docs/: built without a warning, it leads nowhere wrong, loads nothing from elsewhere, lacks no page."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.docs.built import Reader, main, problems

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PATIENCE = 300
GOOD = """\
# A page

[A heading](#a-heading), [a source](../lifecycle/scheduler.yaml), [a folder](../tests/machines).

## A heading
"""


def build(source: Path, site: Path) -> subprocess.CompletedProcess[str]:
    """As `make docs` does it, from the pages in `source`."""
    words = ["-q", "-E", "-W", "--keep-going", "-c", str(DOCS), "-d", str(site / ".doctrees"), str(source), str(site)]
    return subprocess.run(
        [sys.executable, "-m", "sphinx", *words], capture_output=True, text=True, cwd=ROOT, timeout=PATIENCE
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = build(DOCS, folder)
    assert (done.returncode, done.stderr) == (0, "")
    return folder


def test_no_link_of_it_leads_nowhere_and_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    assert problems(site) == []


def test_every_page_is_reached_from_the_front_page(site: Path) -> None:
    pages = {page.stem for page in DOCS.glob("*.md")}
    reached = {link.partition("#")[0] for link in Reader((site / "index.html").read_text()).links}
    assert {f"{page}.html" for page in pages - {"index"}} <= reached


def test_every_link_out_of_docs_has_its_page(site: Path) -> None:
    assert (site / "source" / "lifecycle" / "scheduler.yaml.html").is_file()
    assert (site / "source" / "tests" / "machines.html").is_file()
    assert (site / "source" / "tests" / "machines" / "tcp.yaml.html").is_file()


def small(folder: Path, more: str) -> subprocess.CompletedProcess[str]:
    source = folder / "pages"
    source.mkdir()
    (source / "index.md").write_text(GOOD + more)
    return build(source, folder / "site")


def test_a_small_site_is_built_too(tmp_path: Path) -> None:
    done = small(tmp_path, "")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("[x](nowhere.md)", "cross-reference target not found: 'nowhere.md'"),
        ("[x](#no-such-heading)", "cross-reference target not found: 'no-such-heading'"),
        ("[x](../lifecycle/nothing.yaml)", "there is no lifecycle/nothing.yaml"),
        ("![x](nothing.svg)", "image file not readable: nothing.svg"),
        ("```{eval-rst}\n.. autofunction:: scxlife.fsm.nothing\n```", "nothing"),
    ],
)
def test_what_leads_nowhere_fails_the_build(more: str, said: str, tmp_path: Path) -> None:
    done = small(tmp_path, f"\n{more}\n")
    assert done.returncode == 1
    assert said in done.stderr


@pytest.mark.parametrize(
    ("html", "said"),
    [
        ('<a href="other.html">', "other.html: there is no such file"),
        ('<a href="#top">', "#top: there is no such anchor"),
        ('<script src="https://cdn.example/x.js">', "https://cdn.example/x.js: is loaded from elsewhere"),
        ('<link rel="stylesheet" href="//fonts.example/x.css">', "//fonts.example/x.css: is loaded from elsewhere"),
        ('<img srcset="a.png 1x, https://cdn.example/b.png 2x" src="page.html">', "a.png: is not there to be loaded"),
        ('<p style="background: url(http://cdn.example/x.png)">', "http://cdn.example/x.png: is loaded from elsewhere"),
    ],
)
def test_a_fault_of_a_built_page_is_found(
    html: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "page.html").write_text(html)
    assert main(tmp_path) == 1
    assert f"page.html: {said}" in capsys.readouterr().err.splitlines()


def test_a_style_sheet_that_loads_from_elsewhere_is_found(tmp_path: Path) -> None:
    (tmp_path / "style.css").write_text("@import 'https://fonts.example/x.css'; a {background: url(data:image/png,)}")
    assert problems(tmp_path) == ["style.css: https://fonts.example/x.css: is loaded from elsewhere"]


def test_a_folder_without_pages_is_no_site(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(tmp_path) == 1
    assert "there is no page" in capsys.readouterr().err


def test_the_readme_leads_nowhere_wrong() -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", (ROOT / "README.md").read_text())
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
