"""Pure torch: the block, its pairwise functions, its affinities and their geometry. No files, no web."""
