"""The results table, its writers, leaderboards, analysis and report."""
