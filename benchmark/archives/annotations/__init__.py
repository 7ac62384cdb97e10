"""Annotations as people have them: class folders, tables of any program, ELAN."""
