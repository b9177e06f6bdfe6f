"""Samples for calibration and evaluation: arrays, folders of images, functions of the user."""
