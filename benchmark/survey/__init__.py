"""What a raw archive holds: counts, lengths, gaps, and frames to look at."""
