"""Loads strategies and prepares their calls: function, arguments, source files, and flattening after a halt.

Every strategy family has a folder of its own (`spread`), which imports only NumPy, Numba and hftbacktest's constants.
This folder must not know in which world the strategy will run. Start with `loader`, then `arguments`.
"""
