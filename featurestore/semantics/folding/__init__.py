"""The rows of the tables of folds and aggregates, by what they are about; `semantics.folds` and
`semantics.aggregates` put them together."""
