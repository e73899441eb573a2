"""The same message again.

Computes the keys that reports of one message share, remembers them in stores, finds duplicates and conflicts, and merges all
reports of a message into one.
"""
