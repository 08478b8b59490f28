"""Kinds of data sources, one module each, registered where they are defined."""
