"""Errors, strict schemas, atomic files, video files: what every room needs and no room owns."""
