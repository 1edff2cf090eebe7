"""Tests of Signoff; the folders say what each kind needs to run."""
