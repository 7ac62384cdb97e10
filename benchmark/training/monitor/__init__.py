"""Measures and shows a training run; nothing here influences its weights."""
