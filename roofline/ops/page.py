"""The page of every operator with its formula, made from the rules: ``python -m roofline.ops.page > FILE``."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator

from roofline.ops import PAGODA, RULES, Rule

_HEAD = """\
# What every operator costs

Made from the rules in this folder by `python -m roofline.ops.page > roofline/ops/README.md`; a test fails when it is
stale. One MAC is two FLOP. One FLOP of the rest is one arithmetic operation, comparison or elementary function of the
operator's definition. Unless a row says otherwise, each operand is read once at its stored size and each result
written once. "From" is the first version of the domain's operator set for which the row holds.

Free in every case, whatever the operator: nodes that depend only on initialisers ("constant"), only on shapes
("shape arithmetic"), and nodes that no output needs ("unused"). An operator that is not on this page is reported as
unsupported; `--ops FILE` or `@roofline.operator` adds one.
"""
_DOMAINS = {"": "ai.onnx", "ai.onnx.ml": "ai.onnx.ml"}


def page() -> str:
    """Return the whole page as markdown."""
    rules = list(RULES)
    parts = [_HEAD]
    for domain in sorted({rule.domain for rule in rules}):
        here = [rule for rule in rules if rule.domain == domain]
        parts.append(f"## {_DOMAINS.get(domain, domain)}: {len({rule.op_type for rule in here})} operators\n")
        parts.append("\n".join(_table(here)) + "\n")
    parts.append("## `--traffic pagoda`: the conventions of arXiv 2509.20189\n")
    parts.append("Operators that are not listed cost nothing there.\n")
    parts.append("\n".join(_table(PAGODA)) + "\n")
    return "\n".join(parts)


def _table(rules: Iterable[Rule]) -> Iterator[str]:
    """Yield a table with one row per formula; operators that share one share the row."""
    rows: dict[tuple[str, str, int], list[str]] = {}
    for rule in sorted(rules, key=lambda rule: (rule.op_type.lower(), rule.since)):
        rows.setdefault((rule.doc, rule.op_class, rule.since), []).append(rule.op_type)
    yield "| operators | from | class | what is counted | source |"
    yield "|---|---:|---|---|---|"
    for (doc, op_class, since), names in rows.items():
        counted, _, source = re.sub(r"\s+", " ", doc.strip()).rpartition("Source: ")
        yield f"| {', '.join(names)} | {since} | {op_class} | {_cell(counted)} | {_cell(source)} |"


def _cell(text: str) -> str:
    """Return text of a docstring as one table cell."""
    text = text.strip().rstrip(".").replace("``", "`").replace("|", "\\|").replace("<", "&lt;")
    return text.replace("*", "\\*").replace("_", "\\_")


if __name__ == "__main__":
    sys.stdout.write(page())
