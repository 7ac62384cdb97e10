"""Leaderboard files: write, check, compare, upload."""
