"""Prepared clips -> training batches and test views."""
