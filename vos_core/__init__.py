"""Networks, propagation, flow, post-processing, metrics and pictures.

Knows neither Lightning nor the names of dataset folders.
"""
