"""What a run of a strategy is made of in every world: loading it, its arguments, its fills, its output folder."""
