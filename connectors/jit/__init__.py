"""Compilation with Numba: the project's flags, its disk cache, and arrays that are passed by address.

It must not know venues or trading. Start with `compilation.compiled`, the decorator of all compiled functions.
"""
