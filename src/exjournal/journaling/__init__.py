"""Whose mail is journaled.

Organizations and rules, the decision about a message, the signs that a message was journaled before, and the agent that does
all of it for a gateway.
"""
