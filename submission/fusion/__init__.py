"""Fusion: probabilities of several members -> probabilities of one system."""
