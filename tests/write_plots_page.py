"""Write the template of `dvc plots` with Vega inside, so that the plots need no network.

pip install --no-deps vl-convert-python==1.9.0.post1 && python tests/write_plots_page.py
"""

from __future__ import annotations

from pathlib import Path

PLOTS_PAGE = Path(__file__).parents[1] / ".dvc/plots/page.html"
TEMPLATE = """<!DOCTYPE html>
<html lang="en">
<!-- Written by tests/write_plots_page.py. DVC fills in the plots. The script is Vega VEGA,
Vega-Lite VEGA_LITE and Vega-Embed EMBED (BSD-3-Clause, University of Washington Interactive Data
Lab) with what they stand on: see NOTICE. -->
<head>
<meta charset="utf-8">
<title>DVC plots</title>
{refresh_tag}
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 1.5rem; }
body { display: flex; flex-wrap: wrap; gap: 1.5rem; }
img { max-width: 100%; }
@media (prefers-color-scheme: dark) {
  body { background: #191919; color: #eee; }
  .vega-embed { filter: invert(0.9) hue-rotate(180deg); }
}
</style>
<script>
(() => {
SCRIPT
})();
</script>
</head>
<body>
{plot_divs}
</body>
</html>
"""
VEGA_LITE = "5.21"


def main() -> None:
    import vl_convert as vega

    script = vega.javascript_bundle(vl_version=VEGA_LITE)
    # DVC replaces the first two marks, and a browser ends the script at the third.
    assert not any(mark in script for mark in ("{plot_divs}", "{refresh_tag}", "</script"))
    page = TEMPLATE
    for mark, text in (
        ("VEGA_LITE", VEGA_LITE),
        ("VEGA", vega.get_vega_version()),
        ("EMBED", vega.get_vega_embed_version()),
        ("SCRIPT", script),
    ):
        page = page.replace(mark, text, 1)
    PLOTS_PAGE.parent.mkdir(exist_ok=True)
    PLOTS_PAGE.write_text(page, "utf-8")


if __name__ == "__main__":
    main()
