"""Optical flow, and the backends that estimate it."""
