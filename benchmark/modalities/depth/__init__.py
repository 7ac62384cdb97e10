"""Depth, and the backends that estimate it."""
