"""WALDO (Rizzo et al., 2020), with CoRA and WAE, which are parts of it."""
