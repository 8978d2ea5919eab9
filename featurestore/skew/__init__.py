"""What was served in production beside what training says: every difference with its cause."""
