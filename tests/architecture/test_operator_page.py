"""The page of every operator is made from the rules, and is up to date."""

from __future__ import annotations

from pathlib import Path

from roofline.ops import RULES
from roofline.ops.page import page

PAGE = Path(__file__).parents[2] / "roofline" / "ops" / "README.md"


def test_the_page_is_what_the_rules_say_now() -> None:
    assert PAGE.read_text() == page(), "stale: run python -m roofline.ops.page > roofline/ops/README.md"


def test_every_rule_is_on_it_with_its_source() -> None:
    text = page()
    for rule in RULES:
        assert rule.op_type in text
        assert "Source: " in rule.doc, rule.op_type
