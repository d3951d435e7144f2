"""AMA (Somepalli et al., 2020)."""
