"""Networks by name: the spec that describes a model, its parts, its preparation and its grouping.

`spec`, `preparation` and `grouping` need no torch; `build` turns a stage into torch modules.
"""
