"""Both roads, the same question: replay, compare, report."""
