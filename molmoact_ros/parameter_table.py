"""`molmoact params [node]`: the table of all options, from the configuration dataclasses."""

import argparse

from .cell import CONFIGS, config_class
from .config import REQUIRED, Row, describe


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `molmoact params`."""
    parser.add_argument("node", nargs="?", choices=list(CONFIGS), help="one node alone")
    parser.add_argument("--markdown", action="store_true", help="as for the documentation")


def main(options: argparse.Namespace) -> int:
    """Print the options of one node or of all."""
    for name in [options.node] if options.node else CONFIGS:
        print("\n".join(table(name, options.markdown)))
    return 0


def table(node: str, markdown: bool = False) -> list[str]:
    """Return the lines of one node's table."""
    kind = config_class(node)
    rows = [_cells(row) for row in describe(kind)]
    title = (kind.__doc__ or "").strip().splitlines()[0]
    if markdown:
        head = [f"## {node}", "", title, "", "| option | default | unit | range | meaning |", "|---|---|---|---|---|"]
        return [*head, *("| " + " | ".join(cells) + " |" for cells in rows), ""]
    widths = [max(len(cells[i]) for cells in rows) for i in range(4)]
    lines = ["  " + "  ".join([*(c.ljust(w) for c, w in zip(cells, widths)), cells[4]]).rstrip() for cells in rows]
    return [f"{node}: {title}", *lines, ""]


def _cells(row: Row) -> list[str]:
    default = "required" if row.default is REQUIRED else repr(row.default)
    return [row.name, default, row.unit, row.range, row.text]
