"""Campaigns of accidents and hostile files: `python -m tests.campaign`, or `make campaign`."""
