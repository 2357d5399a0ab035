"""Hostile files against the real commands: see run.py."""
