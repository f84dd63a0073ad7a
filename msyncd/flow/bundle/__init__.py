"""Bundles (P37): the conversation of a cycle, carried by hand as a file. What is in them, and what each end does."""
