"""The numerical engine: neighbours, Gram tiles, moments, factorizations, ranks."""
