"""Figures for print: each function takes a tidy table and returns a matplotlib figure."""
