"""Fusion rules: one module per rule, spec and fit together, and the union of all."""
