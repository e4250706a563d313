"""Experiments: what is run, as validated models, and the cells they unfold into."""
