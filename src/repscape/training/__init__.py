"""Controlled training of small networks: same data, same schedule, one factor changed at a time."""
