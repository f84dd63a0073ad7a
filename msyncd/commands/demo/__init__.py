"""The demo: a primary and two satellites with real-looking stock."""
