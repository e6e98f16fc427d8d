"""From rows to eyes: terminal, tables, figures, the HTML report."""
