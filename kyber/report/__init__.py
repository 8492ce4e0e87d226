"""The management report: what a workspace, its findings and the last report say in; one Document out."""
