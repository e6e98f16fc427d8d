"""Notebooks as pages of the documentation site: text, code, and what the code answered."""

from __future__ import annotations

from typing import Any


def markdown(notebook: dict[str, Any]) -> str:
    """A notebook (nbformat 4) as Markdown, with the answers that it holds.

    Of an answer's forms HTML is shown if there is one, otherwise text. What was printed to standard
    error is left out.
    """
    parts = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"]).strip()
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(f"```python\n{source}\n```")
        parts += filter(None, map(_answer, cell["outputs"]))
    return "\n\n".join(parts) + "\n"


def _answer(output: dict[str, Any]) -> str:
    if output["output_type"] == "stream":
        return _text(output["text"]) if output["name"] == "stdout" else ""
    forms = output.get("data", {})
    if "text/html" in forms:
        lines = "".join(forms["text/html"]).splitlines()
        # a blank line would end the HTML for Markdown
        return "<div>\n" + "\n".join(line for line in lines if line.strip()) + "\n</div>"
    return _text(forms.get("text/plain", ""))


def _text(lines: str | list[str]) -> str:
    text = "".join(lines).rstrip()
    return f"```text\n{text}\n```" if text else ""
