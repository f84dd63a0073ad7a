"""Measurements, side by side in one run: machines drift, so only ratios within a run count."""
