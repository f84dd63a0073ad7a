"""Comparing two ends by digests, and sending again only what differs."""
