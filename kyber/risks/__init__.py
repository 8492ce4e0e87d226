"""Risks: what may happen, how likely and how bad it is, what holds it down, and who decided to bear the rest."""
