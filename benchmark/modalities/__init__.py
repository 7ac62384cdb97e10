"""Modalities: spec, extraction and rendering. One module per kind."""
