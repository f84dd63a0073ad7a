"""One step per file, in the order of a cycle; outbound.py and inbound.py read as the story."""
