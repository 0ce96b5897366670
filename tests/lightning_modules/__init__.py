"""Tests of the Lightning rooms."""
