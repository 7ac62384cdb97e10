"""Weights: published files, conversion, initial weights, the folder of a trained model."""
