"""Frames and masks in, new frames and masks out: geometry, deformation, lucid dreams."""
