"""ARN (Liguori et al., ICDM 2021)."""
