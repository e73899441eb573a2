"""Tests against real servers of another make."""
