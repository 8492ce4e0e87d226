"""Logs: what is read, from where, as what; the rules that run over it; and the findings."""
