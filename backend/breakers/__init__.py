"""Circuit breakers of agents' servers, shared by all processes."""
