"""Stages side by side, and on other machines: make schedules, a launcher starts."""
