"""DVC stages: one thin click command per file."""
