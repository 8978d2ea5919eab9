"""The expression language: immutable nodes, the fluent wrapper that authors write with, and printing."""
