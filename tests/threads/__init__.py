"""Threads under way, and after their process died."""
