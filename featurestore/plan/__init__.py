"""What has to happen: definitions turned into a short chain that both roads follow."""
