"""SET UP: plain transactions that move no points."""
