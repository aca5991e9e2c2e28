"""What users may run over components of their own: laws, strategies, seeded weights."""
