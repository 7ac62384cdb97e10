"""What watches a training run and cannot change its result."""
