import { type Address, isAddressEqual } from 'viem'
import type { NetworkOut, QuoteOut } from '@/api/types'
import { quoteAddsUp, quoteDigest, quoteMessage } from '@/chain/pricing'
import { signedByOperator } from '@/chain/signatures'

/** What the page found of a quote: sentences that hold, and what does not. */
export interface QuoteVerdict {
  checks: string[]
  problems: string[]
}

/** What the chain counts of an agent's escrows, as far as prices go. */
export interface Outcomes {
  successes: number
  decided: number
}

/** Successes and decided escrows of a record of the Reputation contract. */
export const outcomesOf = (record: { completed: number; failed: number; lost: number }): Outcomes => ({
  successes: record.completed,
  decided: record.completed + record.failed + record.lost,
})

const same = (a: string, b: string) => isAddressEqual(a as Address, b as Address)

/** Checks a quote at `now`, in unix seconds; `chain` is what a node says of the record, null where none was asked. */
export async function verifyQuote(
  network: NetworkOut,
  quote: QuoteOut,
  now: number,
  chain: Outcomes | null,
): Promise<QuoteVerdict> {
  const ours = quote.chain_id === network.chain_id && same(quote.escrow, network.contracts.escrow)
  const signed = await signedByOperator('Quote', network, quoteMessage(quote), quote.signature, quote.operator)
  const counts = chain === null || (chain.successes === quote.successes && chain.decided === quote.decided)
  const findings: [boolean, string, string][] = [
    [
      ours && signed && quoteDigest(network, quote) === quote.digest,
      'Signed by the operator of this network.',
      'It is not signed by the operator of this network.',
    ],
    [
      quoteAddsUp(quote),
      `Version ${quote.formula} of the formula gives this price from its inputs.`,
      'The formula gives another price from its inputs.',
    ],
    [now < quote.valid_until, 'It has not run out.', 'It has run out; ask again.'],
    ...(chain === null
      ? []
      : ([
          [
            counts,
            `A node says the same of the record at block ${quote.as_of_block}.`,
            `A node says otherwise of the record at block ${quote.as_of_block}: ${chain.successes} of ${chain.decided}.`,
          ],
        ] as [boolean, string, string][])),
  ]
  return {
    checks: findings.filter(([holds]) => holds).map(([, check]) => check),
    problems: findings.filter(([holds]) => !holds).map(([, , problem]) => problem),
  }
}
