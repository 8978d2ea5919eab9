"""Transcendental functions as kernels (R10): each written once, run on floats by Python and printed as DuckDB text.

`machine` is what they are written on, `recording` prints them, the other files hold the methods, and `table` says
which names and arguments they have.
"""
