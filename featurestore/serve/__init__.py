"""The HTTP service: lookups and events as JSON, health, metrics and their description."""
