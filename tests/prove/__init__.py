"""The proofs too large for CI: `python -m tests.prove` runs each whole and writes docs/proofs; tests run each small."""
