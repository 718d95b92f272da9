"""Side by side with the usual implementation: ``python -m benchmarks``."""
