"""Data sources, stable sample ids, subsets, and representations read from files.

One module per source: `digits` ships inside scikit-learn; `files` reads what others saved.
A source is an `ArrayData` (see `repscape.data.arrays`), or anything that yields the same
batches `(ids, inputs, labels)`.
"""
