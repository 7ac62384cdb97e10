"""The notebook of the docs: run its cells in a project, keep their outputs, show it as a page.

`python tests/notebook.py PROJECT` writes the outputs into docs/compare-fusions.ipynb. MkDocs calls
the functions `on_...` when it builds the site (mkdocs.yml names this file).
"""

from __future__ import annotations

import base64
import io
import json
import sys
from contextlib import chdir, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

NOTEBOOK = Path(__file__).parents[1] / "docs/compare-fusions.ipynb"
PAGE = "notebook.md"
DPI = 110


def code_cells(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def run(notebook: dict[str, Any], project: Path) -> None:
    """Run all cells in a folder, in one namespace, and put what they print and draw into them."""
    import matplotlib.pyplot as plt

    plt.switch_backend("agg")
    names: dict[str, Any] = {"__name__": "__main__"}
    with chdir(project):
        for number, cell in enumerate(code_cells(notebook), start=1):
            with redirect_stdout(io.StringIO()) as said:
                exec(compile("".join(cell["source"]), f"cell {number}", "exec"), names)
            cell["execution_count"] = number
            cell["outputs"] = []
            if text := said.getvalue():
                lines = text.splitlines(keepends=True)
                cell["outputs"].append({"name": "stdout", "output_type": "stream", "text": lines})
            for figure in map(plt.figure, plt.get_fignums()):
                data = {"image/png": _png(figure), "text/plain": ["<Figure>"]}
                cell["outputs"].append(
                    {"data": data, "metadata": {}, "output_type": "display_data"}
                )
            plt.close("all")


def _png(figure: Any) -> str:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=DPI, metadata={"Software": None})
    return base64.b64encode(file.getvalue()).decode() + "\n"


def page(notebook: dict[str, Any]) -> str:
    """Format the notebook, with its outputs, as Markdown."""
    parts = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
        for output in cell.get("outputs", ()):
            if "text" in output:
                parts.append(f"```text\n{''.join(output['text'])}```")
            else:
                picture = output["data"]["image/png"].strip()
                parts.append(f"![What the cell draws](data:image/png;base64,{picture})")
    title, *rest = parts
    download = f"[Download this notebook]({NOTEBOOK.name}){{ download }}"
    return "\n\n".join([title, download, *rest]) + "\n"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    from mkdocs.structure.files import File

    content = page(json.loads(NOTEBOOK.read_text("utf-8")))
    files.append(File.generated(config, PAGE, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Lead from the other pages to the page instead of the file, which Git's hosts show as well."""
    if page.file.src_uri == PAGE:
        return markdown
    return markdown.replace(f"({NOTEBOOK.name})", f"({PAGE})")


if __name__ == "__main__":
    content = json.loads(NOTEBOOK.read_text("utf-8"))
    run(content, Path(sys.argv[1]))
    NOTEBOOK.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")
