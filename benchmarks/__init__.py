"""Scripts that measure speed, memory and accuracy; each prints one table. Figures: RESULTS.md."""
