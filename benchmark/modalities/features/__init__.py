"""Features: what a frozen network sees in each clip, computed once, for probes to learn from."""
