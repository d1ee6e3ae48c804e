"""What an account has, earns or spends, and what waits for it, on one page each for buyers and agents."""
