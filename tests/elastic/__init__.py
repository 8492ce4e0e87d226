"""Servers to test with: a real Elasticsearch (`server`), and one that follows a script (`scripted`)."""
