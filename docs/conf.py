"""The site that `make docs` makes of this folder. Its pages are Markdown that reads on a forge too."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

import scxlife

project = "scxlife"
version = release = scxlife.__version__
copyright = "the authors of scxlife"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton", "sources", "titles"]
exclude_patterns = ["_ext", "_static"]

# Of `#anchors` in links: those of headings, as a forge makes them.
myst_heading_anchors = 4
myst_url_schemes = {"http": None, "https": None, "source": {"url": "source/{{path}}.html", "classes": ["source"]}}

# Every name of ours that a signature has is held; those of the standard library would be looked up elsewhere.
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(?!scxlife).*"), ("py:class", r"scxlife\.fsm\.registry\.T")]
# What a docstring has between backticks is a name.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
maximum_signature_line_length = 80
add_module_names = False

html_theme = "furo"
html_title = "scxlife"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
html_domain_indices = False
html_use_index = False
pygments_style = "default"
pygments_dark_style = "github-dark"
# A session's output is not for the shell.
copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True
