"""Executors of Programs; the reference interpreter defines the integers."""
