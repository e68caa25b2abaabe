"""History from public archives: what exists where, which of it a run needs, and fetching it whole or not at all."""
