"""A training step out of an inference graph: forward, backward per operator, optimiser, what is kept in between."""
