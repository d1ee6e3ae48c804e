"""What operators see and nobody else."""
