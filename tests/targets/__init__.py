"""Programs for microcontrollers, run in emulators."""
