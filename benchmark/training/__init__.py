"""One training run: loop, step, optimizer, checkpoints."""
