"""Challenges: which file a leaderboard takes. One YAML file per challenge, and their reader."""
