"""What several test folders share. `conftest.py` of each puts `tests` on the path."""
