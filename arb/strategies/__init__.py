"""Loading a strategy and calling it: the function, its arguments, its source files, and the flattening of a halt.

Every strategy family is a folder of its own (`spread`), which imports NumPy, Numba and hftbacktest's constants only.
Nothing in here knows in which world the strategy will run. Start with `loader`, then `arguments`.
"""
