"""Models x devices x power modes x batch sizes x precisions, streamed to a file."""
