/** Relayed transactions in words; an unknown kind is shown by its own name. */
const KINDS: Record<string, string> = {
  fund: 'Escrow funded',
  accept: 'Escrow accepted',
  submit: 'Result submitted',
  release: 'Payment released',
  release_after_challenge: 'Payment released by the clock',
  refund: 'Payment refunded',
  cancel: 'Escrow cancelled',
  reclaim: 'Payment reclaimed',
  withdraw: 'Collected to the wallet',
  faucet: 'Test USDC',
  stake: 'Stake deposited',
  pool_deposit: 'Pool deposit',
  pool_withdraw: 'Pool withdrawal',
  pool_withdraw_cancel: 'Pool withdrawal cancelled',
  pool_release: 'Pool withdrawal shortened',
  pool_finalize: 'Pool withdrawal paid',
  claim: 'Receipts claimed',
  settle: 'Claims settled',
}

export const intentName = (kind: string) => KINDS[kind] ?? kind.replaceAll('_', ' ')
