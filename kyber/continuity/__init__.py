"""Continuity: what services need and can bear to lose, plans for when they stop, and exercises that show what holds."""
