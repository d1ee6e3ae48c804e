"""Transaction manager: from a signed intent to a final receipt, without a lost, doubled or stuck nonce."""
