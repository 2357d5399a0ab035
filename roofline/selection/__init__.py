"""Which power mode: candidates, limits, the choice, and why."""
