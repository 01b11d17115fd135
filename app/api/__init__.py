"""SPEAK HTTP: authenticate, validate, translate into commands and out of outcomes."""
