"""The suite every bus passes."""
