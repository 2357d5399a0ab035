"""Cost rules: one small pure function per operator, in one table.

Importing this package fills `RULES` (what a node really costs) with the common operators, and `PAGODA` with the
conventions of arXiv 2509.20189, reproduced to the digit.
"""

from roofline.ops import contraction, elementwise, movement, norm, recurrent, reduction  # noqa: F401
from roofline.ops.pagoda import PAGODA
from roofline.ops.table import FLOPS_PER_MAC, RULES, Cost, Free, Rule, RuleTable

__all__ = ["FLOPS_PER_MAC", "PAGODA", "RULES", "Cost", "Free", "Rule", "RuleTable"]
