"""Configuration of Sphinx."""

import inspect
import os
import re
import sys
import warnings
from pathlib import Path

from docutils.nodes import SkipNode, Text
from docutils.utils.math.latex2mathml import tex2mathml
from sklearn.experimental import enable_halving_search_cv  # noqa: F401, for the gallery
from sphinx.addnodes import toctree
from sphinx.ext.autosummary import Autosummary

import skgad

sys.path.insert(0, str(Path(__file__).parent))  # gallery_order

project = "skgad"
author = "skgad developers"
copyright = "2026, skgad developers"
version = release = skgad.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "_templates", "tables", "GALLERY_HEADER.rst"]
templates_path = ["_templates"]
default_role = "literal"

# API reference: one page per object, with the members that are skgad's own.
autodoc_typehints = "none"
autosummary_generate = True
numpydoc_show_class_members = False


def skip_foreign_member(app, kind, name, thing, skip, options):
    """Leave out what a class has from torch, skorch or scikit-learn."""
    module = getattr(inspect.unwrap(thing), "__module__", None) if callable(thing) else "skgad"
    return skip or not (module or "").startswith("skgad")


# Formulas become MathML, which browsers show by themselves: the pages need no network.
html_math_renderer = "mathml"


def write_formula(translator, node):
    is_block = node.tagname == "math_block"
    translator.body.append(tex2mathml(node.astext(), as_block=is_block))
    raise SkipNode


class PlainAutosummary(Autosummary):
    """Summaries without references, which numpydoc has given unreadable names."""

    def get_items(self, names):
        return [
            (name, signature, re.sub(r"\s*\[\w+-\d+\]_", "", summary), real_name)
            for name, signature, summary, real_name in super().get_items(names)
        ]


def add_guide_groups(app, page, template, context, doctree):
    """Tell the sidebar the groups of the user guide: captions with the titles of their pages."""
    index = "user_guide/index"
    if not page.startswith("user_guide/"):
        return
    titles = app.env.titles
    context["guide_groups"] = [
        (node["caption"], [(name, titles[name].astext()) for name in node["includefiles"]])
        for node in app.env.get_doctree(index).findall(toctree)
    ]


def keep_spread_with_mean(app, doctree, docname):
    """Do not wrap ``mean ± sd``."""
    for node in list(doctree.findall(Text)):
        if " ± " in node:
            node.parent.replace(node, Text(node.replace(" ± ", "\u00a0±\u00a0")))


def setup(app):
    app.connect("doctree-resolved", keep_spread_with_mean)
    app.add_directive("autosummary", PlainAutosummary, override=True)
    app.connect("html-page-context", add_guide_groups)
    app.connect("autodoc-skip-member", skip_foreign_member)
    app.add_html_math_renderer("mathml", (write_formula, None), (write_formula, None))


# Some examples are about data that the repository does not carry: they are run where the data are,
# and shown without their results elsewhere.
NEEDED = {
    "plot_arn_kdd99.py": "kdd/kddcup.data_10_percent.gz",
    "plot_bank.py": "uci/bank_additional_full_nominal.csv.gz",
    "plot_kdd99.py": "kdd/kddcup.data_10_percent.gz",
}
ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("SKGAD_DATA", ROOT.parent / "shared" / "data")).expanduser().resolve()
os.environ["SKGAD_DATA"] = str(DATA)
run = [
    path.name
    for path in ROOT.glob("examples/plot_*.py")
    if path.name not in NEEDED or (DATA / NEEDED[path.name]).exists()
]

# Gallery: a warning in an example is a bug in it.
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "ignore_pattern": r"demo\.py",
    "filename_pattern": "|".join(map(re.escape, run)),
    "within_subsection_order": "gallery_order.by_interest",
    "default_thumb_file": str(ROOT / "doc" / "_static" / "demo.png"),
    "show_memory": False,
    "copyfile_regex": r".*\.rst",
    "show_signature": False,
    "capture_repr": ("_repr_html_",),
    "abort_on_example_error": True,
}
warnings.filterwarnings("error", module="skgad")

html_theme = "pydata_sphinx_theme"
html_title = "skgad"
html_static_path = ["_static"]
html_css_files = ["skgad.css"]
html_show_sourcelink = False
html_theme_options = {
    "show_prev_next": False,
    "navigation_with_keys": False,
    "navbar_align": "left",
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_sidebars = {name: [] for name in ("index", "benchmarks", "whats_new")}
html_sidebars["user_guide/*"] = ["guide_groups.html"]
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
