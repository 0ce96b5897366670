"""Tests of networks, propagation, metrics and pictures."""
