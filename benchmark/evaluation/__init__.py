"""Probabilities and labels -> scores, intervals, tests. No torch."""
