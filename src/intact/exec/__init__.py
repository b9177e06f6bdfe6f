"""Executors of a Program; `reference` defines the integers."""
