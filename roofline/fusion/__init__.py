"""Which nodes a good compiler runs as one kernel, and the bytes that move then."""
