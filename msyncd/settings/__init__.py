"""The settings that an admin writes in YAML: read, validated with places, frozen."""
