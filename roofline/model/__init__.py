"""The model: pure functions from arrays to arrays. Sees numpy and nothing else."""
