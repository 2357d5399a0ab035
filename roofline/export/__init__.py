"""Showing results: dict, JSON, tables, CSV, markdown, HTML. No arithmetic beyond sums and shares."""
