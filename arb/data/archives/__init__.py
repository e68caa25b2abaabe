"""Files of public archives to messages and rows, of the same kinds as those of recorded frames.

CSV columns are read by compiled code (`fields`, `table`); `formats` says what each archive calls them. No download and
no cache. Start with `streams`.
"""
