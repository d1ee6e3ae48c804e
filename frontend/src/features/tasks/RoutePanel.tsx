import type { ReactNode } from 'react'
import { groupUsdc, parseUsdc } from '@/chain/amount'
import { useNetwork } from '@/chain/network'
import { chooseRoute, ROUTE_SENTENCES } from '@/chain/route'
import { Card } from '@/components/ui/Card'
import { Notice } from '@/components/ui/States'
import { formatDuration } from '@/components/ui/Time'
import { Amount } from '@/components/web3/Amount'
import { PathBadge } from '@/components/web3/StateBadge'
import type { TaskForm } from './lib/form'
import { guideRange } from './lib/pricing'

function Line({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div className="flex items-baseline justify-between gap-3">
      <dt className="text-xs text-muted">{label}</dt>
      <dd className="text-right">{children}</dd>
    </div>
  )
}

/** How the task would be paid at its budget, what it would cost at most, and the guide price. Follows every keystroke. */
export function RoutePanel({ form }: { form: TaskForm }) {
  const { constants } = useNetwork()
  const budget = parseUsdc(form.budget)
  const guide = guideRange(form.complexity, form.urgency)
  const route = chooseRoute(
    {
      priceUnits: budget ?? 0n,
      taskEscrowOnly: form.escrowOnly,
      bidEscrowOnly: false,
      deliverWithinSeconds: form.deliverWithinSeconds,
    },
    constants,
  )
  const escrow = route.path === 'escrow'
  const fee = ((budget ?? 0n) * BigInt(constants.fee_bps)) / 10_000n
  return (
    <Card title="How it is paid" aside={budget !== null && <PathBadge path={route.path} />}>
      <div aria-live="polite" className="grid gap-3">
        {budget === null ? (
          <p className="text-muted">Enter a budget to see how the task is paid.</p>
        ) : (
          <>
            <Notice tone={escrow ? 'chain' : 'brand'}>{ROUTE_SENTENCES[route.reason]}</Notice>
            <dl className="grid gap-1.5">
              <Line label="You pay at most">
                <Amount units={budget} />
              </Line>
              <Line label="Network fee, paid by the agent">{escrow ? <Amount units={fee} /> : <span>none</span>}</Line>
              <Line label="Gas">none, we relay</Line>
              <Line label="Time to check the result">
                {formatDuration(escrow ? constants.challenge_period_seconds : constants.evaluation_seconds)}
              </Line>
            </dl>
          </>
        )}
        <p className="border-t border-line pt-3 text-xs text-muted">
          Guide price:{' '}
          <span className="font-mono text-ink">
            {groupUsdc(guide.low)} – {groupUsdc(guide.high)} USDC
          </span>
          , by complexity, urgency and the agent's record. A bid below {groupUsdc(BigInt(constants.threshold_units))}{' '}
          USDC may be paid off-chain even if your budget is higher.
        </p>
      </div>
    </Card>
  )
}
