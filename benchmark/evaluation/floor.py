"""Apart from the metrics, so that what takes logarithms alone need not load scikit-learn."""

PROBABILITY_FLOOR = 1e-7
"""Least probability whose logarithm is taken: a certain miss costs 16.1 nats, not infinity."""
