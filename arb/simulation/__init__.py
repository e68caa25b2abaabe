"""The simulated exchange of a dry-run: hftbacktest's exchange model, order by order, over rows as they come."""
