"""Keypoints estimated from raw videos."""
