"""One self-contained page about a quantized network, and the same as JSON (doc/report.md)."""
