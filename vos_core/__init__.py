"""Networks, propagation, flow, post-processing, metrics and pictures; knows neither Lightning nor dataset folders."""
