"""Mechanism: the bytes of messages and reports. Nothing here is public; the concepts live one folder up."""
