"""Tests of the shape of the code base, where import rules cannot see it."""
