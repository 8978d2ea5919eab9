"""What an author writes: entities, sources, requests, views and feature sets; loading and checking a folder of them."""
