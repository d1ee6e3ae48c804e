import type { BalancesOut, LedgerName, LedgerOut, NetworkOut } from '@/api/types'
import { type SigningRequest, withdrawalRequest } from './typedData'

/** Base units that wait in one ledger until they are collected. */
export const heldIn = (balances: BalancesOut, ledger: LedgerName): string =>
  balances.ledgers.find((one) => one.ledger === ledger)?.units ?? '0'

/** The request to sign for all that waits in a ledger, into the account's own wallet. */
export const collectRequest = (
  network: NetworkOut,
  account: string,
  { ledger, units, withdrawal_nonce: nonce }: LedgerOut,
  validUntil: number,
): SigningRequest =>
  withdrawalRequest(ledger, network, {
    account,
    to: account,
    amount: BigInt(units),
    nonce: BigInt(nonce),
    validUntil,
  })
