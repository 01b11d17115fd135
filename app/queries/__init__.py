"""ANSWER: one question a function, never a lock, never a decision."""
