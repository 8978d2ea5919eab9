"""The rows of the table of scalar functions, by what they are about; `semantics.scalars` puts them together."""
