"""See the attention of a network that nobody here wrote: attach, run, and every map that can be proven."""
