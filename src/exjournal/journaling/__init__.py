"""Whose mail is journaled.

Organizations and rules, the decision about a message, the signs that it was journaled before, and the agent that does the whole
line for a gateway.
"""
