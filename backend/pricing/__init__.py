"""What a task would cost, factor by factor, and quotes that anybody can compute again."""
