"""Tests of the dataset toolkit."""
