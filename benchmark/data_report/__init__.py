"""What a raw archive contains: counts, lengths, gaps, frames to look at."""
