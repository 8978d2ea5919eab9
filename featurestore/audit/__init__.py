"""The audit: a process beside the service that compares some of what was served with training, all the time."""
