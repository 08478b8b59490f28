"""Nulls, p-values and intervals of single scores, and tests of questions about them."""
