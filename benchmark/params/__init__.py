"""The typed twin of params.yaml, and the checks that its names fit together."""
