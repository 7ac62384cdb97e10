"""Complete params files, and the edits that turn one into another."""
