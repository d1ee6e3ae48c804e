"""Gas of every operation as a receipt states it, and the same transaction at the prices of Polygon."""
