"""Statistics over tidy tables of scores: matrices, orders, maps, groups, layer identification."""
