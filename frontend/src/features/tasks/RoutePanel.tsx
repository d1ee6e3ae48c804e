import type { ReactNode } from 'react'
import { formatRate, parseUsdc } from '@/chain/amount'
import { useNetwork } from '@/chain/network'
import { chooseAtBudget, eitherSentence, ROUTE_SENTENCES } from '@/chain/route'
import { Card } from '@/components/ui/Card'
import { Notice } from '@/components/ui/States'
import { formatDuration } from '@/components/ui/Time'
import { Amount } from '@/components/web3/Amount'
import { PathBadge } from '@/components/web3/StateBadge'
import { budgetError, needsEscrow, type TaskForm } from './lib/form'

const NOTICE_TONES = { escrow: 'chain', channel: 'brand', either: 'info' } as const

function Line({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div className="flex items-baseline justify-between gap-3">
      <dt className="text-xs text-muted">{label}</dt>
      <dd className="text-right">{children}</dd>
    </div>
  )
}

/** How the task would be paid at its budget, and what it would cost at most. Follows every keystroke. */
export function RoutePanel({ form }: { form: TaskForm }) {
  const { constants } = useNetwork()
  const typed = parseUsdc(form.budget)
  const budget = budgetError(form.budget, BigInt(constants.minimum_price_units)) === undefined ? typed : null
  const route = chooseAtBudget(
    {
      priceUnits: budget ?? 0n,
      taskEscrowOnly: needsEscrow(form),
      bidEscrowOnly: false,
      deliverWithinSeconds: form.deliverWithinSeconds,
    },
    constants,
  )
  const onChain = route.path !== 'channel'
  const offChain = route.path !== 'escrow'
  const fee = ((budget ?? 0n) * BigInt(constants.fee_bps)) / 10_000n
  return (
    <Card title="How it is paid" aside={budget !== null && <PathBadge path={route.path} />}>
      <div aria-live="polite" className="grid gap-3">
        {budget === null ? (
          <p className="text-muted">Enter a budget to see how the task is paid.</p>
        ) : (
          <>
            <Notice tone={NOTICE_TONES[route.path]}>
              {route.reason === 'either' ? eitherSentence(constants) : ROUTE_SENTENCES[route.reason]}
            </Notice>
            <dl className="grid gap-1.5">
              <Line label="You pay at most">
                <Amount units={budget} />
              </Line>
              <Line label={`Marketplace fee (${formatRate(constants.fee_bps)}), paid by the agent`}>
                {onChain && offChain && 'on chain up to '}
                {onChain ? <Amount units={fee} /> : 'none off-chain'}
              </Line>
              <Line label="Gas">none, we relay</Line>
              {onChain && (
                <Line label={`Time to check the result${offChain ? ', on chain' : ''}`}>
                  {formatDuration(constants.challenge_period_seconds)}
                </Line>
              )}
              {offChain && (
                <Line label={`Time to check the result${onChain ? ', off-chain' : ''}`}>
                  until {formatDuration(constants.evaluation_seconds)} after the delivery deadline
                </Line>
              )}
            </dl>
          </>
        )}
      </div>
    </Card>
  )
}
