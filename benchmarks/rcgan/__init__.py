"""RCGAN (Yang et al., ECAI 2020)."""
