"""One self-contained page about a model on a device, which works its numbers out again in the browser."""
