"""Trained models -> probabilities of clips, or of any video."""
