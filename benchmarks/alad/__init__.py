"""ALAD (Zenati et al., ICDM 2018)."""
