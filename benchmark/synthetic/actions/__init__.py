"""The 52 action programs for pre-training, one module per part of the body."""
