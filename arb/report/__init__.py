"""What is said about a run: numbers, tables, files."""
