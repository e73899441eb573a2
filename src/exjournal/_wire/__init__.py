"""The bytes of messages: header blocks, address lists, multipart bodies, encodings, and the canonical form under digests.

Nothing here is public, and nothing knows of reports. The public wings build on it.
"""
