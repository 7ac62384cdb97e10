"""Editions: which data, classes and splits. One YAML file per edition, and their reader."""
