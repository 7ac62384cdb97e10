"""Processes, devices, seeds, signals and memory of a running stage."""
