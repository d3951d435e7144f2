"""Write ``examples/first_hour.ipynb``, with outputs, from ``examples/plot_first_hour.py``.

``python doc/make_notebook.py`` needs nbclient and ipykernel. Run it after each change of the
example: a test compares the code of both.
"""

import ast
import json
import re
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "examples"
SITE = "https://skgad.readthedocs.io/en/latest"


def cells_of(script):
    """Return the kinds ("markdown" or "code") and the texts of the cells of a gallery example."""
    docstring = ast.get_docstring(ast.parse(script))
    cells = [("markdown", docstring)]
    for block in script.split("# %%\n")[1:]:
        comment = re.match(r"(?:#.*\n)*", block)[0]
        text = re.sub(r"^# ?", "", comment, flags=re.M)
        text = re.sub(r":doc:`/(.+?)`", rf"[\1]({SITE}/\1.html)", text)
        cells += [("markdown", text), ("code", block[len(comment) :])]
    return [(kind, text.strip()) for kind, text in cells if text.strip()]


def main():
    import nbclient
    from nbformat import v4

    cells = [
        getattr(v4, f"new_{kind}_cell")(text, id=f"cell-{number}")
        for number, (kind, text) in enumerate(
            cells_of((EXAMPLES / "plot_first_hour.py").read_text())
        )
    ]
    notebook = v4.new_notebook(cells=cells)
    nbclient.NotebookClient(notebook, record_timing=False).execute()
    notebook.metadata = {"language_info": {"name": "python"}}
    text = json.dumps(notebook, indent=1, ensure_ascii=False)
    (EXAMPLES / "first_hour.ipynb").write_text(text + "\n")


if __name__ == "__main__":
    main()
