"""The annual clock: what comes round again, when, who does it, and whether it was done."""
