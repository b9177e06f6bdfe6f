"""Loads calibration and evaluation data; no algorithm imports it."""
