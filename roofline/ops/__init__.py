"""Cost rules: one small pure function per operator, in one table.

Importing this package fills `RULES` (what a node really costs) and `PAGODA` (the conventions of
arXiv 2509.20189, reproduced to the digit).
"""

from roofline.ops import (  # noqa: F401
    attention,
    contraction,
    einsum,
    elementwise,
    movement,
    norm,
    quantized,
    recurrent,
    reduction,
    signal,
    vision,
)
from roofline.ops.pagoda import PAGODA
from roofline.ops.table import FLOPS_PER_MAC, RULES, Cost, Free, Rule, RuleTable

__all__ = ["FLOPS_PER_MAC", "PAGODA", "RULES", "Cost", "Free", "Rule", "RuleTable"]
