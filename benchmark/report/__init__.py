"""The report: one page of everything a run has found, that needs nothing beside it."""
