"""Probabilities -> fused probabilities -> the file that a leaderboard takes."""
