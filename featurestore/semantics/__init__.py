"""What a value means: types, instants, exact numbers, scalar functions, folds and aggregates. Standard library only,
no I/O."""
