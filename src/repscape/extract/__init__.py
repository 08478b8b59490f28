"""Model and data to representations: hooks, pooling, the loop.

`extract` is the front door. `layers` names layers, `calls` records their outputs in one
forward pass, `pooling` turns an output into rows, `sinks` holds or stores the rows.
"""
