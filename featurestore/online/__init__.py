"""Event to state to Redis to vector. Needs neither DuckDB nor pandas."""
