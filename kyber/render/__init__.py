"""Results and documents in, what a person or another program reads out. Nothing here reads files of logs or the clock.

`findings` shows a ScanResult in one of seven forms; `safe` makes hostile text harmless for each kind of reader.
"""
