"""Plan to SQL to dataset, on DuckDB."""
