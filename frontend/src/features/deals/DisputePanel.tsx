import type { DealOut, DealRole, DisputeOut, EscrowOut } from '@/api/types'
import { useNetwork } from '@/chain/network'
import { Badge } from '@/components/ui/Badge'
import { Card } from '@/components/ui/Card'
import { cn } from '@/components/ui/cn'
import { Facts } from '@/components/ui/Facts'
import { Notice } from '@/components/ui/States'
import { Countdown, RelativeTime } from '@/components/ui/Time'
import { Address } from '@/components/web3/Address'
import { Amount } from '@/components/web3/Amount'
import { shortHash } from '@/components/web3/TxLink'
import { AppealCard, ArbiterCredit, Rounds } from './AppealCard'
import { EndingText } from './CaseForm'
import { escrowOf, isAnswering, leftUnits } from './lib/escrow'
import { type PeriodStep, periodsOf } from './lib/periods'
import { defaultOf, ifNobodyActs, OUTCOMES, paidOut, RULINGS } from './lib/words'
import { Statement } from './Statement'

const iso = (seconds: number) => new Date(seconds * 1000).toISOString()

const DOTS: Record<PeriodStep['state'], string> = {
  done: 'bg-ok',
  now: 'bg-warn ring-4 ring-warn-soft',
  missed: 'bg-bad',
  later: 'border-2 border-control bg-surface',
}
const WORDS: Record<PeriodStep['state'], string> = { done: 'done', now: 'now', missed: 'missed', later: 'later' }

function Periods({ steps }: { steps: PeriodStep[] }) {
  return (
    <ol aria-label="Periods of the dispute" className="grid">
      {steps.map((step, index) => (
        <li
          key={step.name}
          aria-current={step.state === 'now' ? 'step' : undefined}
          className={cn('relative flex gap-3.5 pb-3 last:pb-0', step.inner && 'ml-5')}
        >
          {index < steps.length - 1 && (
            <span aria-hidden className="absolute top-4 bottom-0 left-[4.5px] w-px bg-line" />
          )}
          <span aria-hidden className={cn('mt-1.5 size-2.5 shrink-0 rounded-full', DOTS[step.state])} />
          <div className="min-w-0 flex-1">
            <p className="flex flex-wrap items-baseline justify-between gap-x-3">
              <span className={cn(step.state === 'later' ? 'text-muted' : 'font-medium')}>
                {step.name}
                <span className="sr-only">, {WORDS[step.state]}</span>
              </span>
              <span className="text-xs text-muted">
                {step.at !== null && <RelativeTime at={iso(step.at)} />}
                {step.until !== null && step.state === 'now' && (
                  <>
                    {step.at !== null && ' · '}
                    time left: <Countdown until={step.until} over="over" />
                  </>
                )}
                {step.until !== null &&
                  step.state === 'later' &&
                  `until ${new Date(step.until * 1000).toLocaleString()}`}
              </span>
            </p>
            {step.note && <p className="text-xs text-muted">{step.note}</p>}
          </div>
        </li>
      ))}
    </ol>
  )
}

function Result({ escrow, dispute }: { escrow: EscrowOut; dispute: DisputeOut }) {
  const closed = escrow.chain_status === 'closed' && dispute.outcome !== null
  if (!closed && dispute.ruling === null) return null
  const byDefault = defaultOf(dispute)
  return (
    <Notice tone={closed ? 'ok' : 'info'}>
      {dispute.ruling !== null && <p className="font-medium">{RULINGS[dispute.ruling]}</p>}
      {byDefault !== null && <p>{byDefault}</p>}
      {closed && dispute.outcome !== null ? (
        <>
          {dispute.ruling === null && <p className="font-medium">{OUTCOMES[dispute.outcome]}</p>}
          {paidOut(escrow, dispute, dispute.outcome).map((line) => (
            <p key={line}>{line}</p>
          ))}
        </>
      ) : (
        <p>The ruling is being carried out; anybody can do that, and our keeper does.</p>
      )}
    </Notice>
  )
}

/** Where the agent's answer is while the chain has none: its words are shown as soon as they are signed. */
function answerText(deal: DealOut, dispute: DisputeOut): string {
  if (isAnswering(deal)) return 'The agent has signed its answer; it is on its way to the chain.'
  return dispute.evidence.some((said) => said.role === 'agent')
    ? 'The agent has written words, but its answer is not on chain, and counts only there.'
    : 'The agent has not answered yet.'
}

/** The dispute of a deal: who says what, with evidence; its periods and clocks; how it ends if nobody acts; the ruling. */
export function DisputePanel({ deal, role }: { deal: DealOut; role: DealRole }) {
  const { constants } = useNetwork()
  const escrow = escrowOf(deal)
  const { dispute } = escrow
  if (!dispute) return null
  const idle = ifNobodyActs(deal, constants, role)
  const open = escrow.chain_status !== 'closed'
  return (
    <Card
      title="Dispute"
      aside={open ? <Badge tone="warn">open</Badge> : <Badge tone="neutral">over</Badge>}
      className="scroll-mt-16"
    >
      <div data-testid="dispute-panel" className="grid grid-cols-1 gap-4">
        <Result escrow={escrow} dispute={dispute} />
        {idle && (
          <Notice tone="warn">
            <EndingText
              ending={idle}
              at={
                idle.by !== null && (
                  <>
                    by <time dateTime={iso(idle.by)}>{new Date(idle.by * 1000).toLocaleString()}</time>
                  </>
                )
              }
            />
          </Notice>
        )}
        <Periods steps={periodsOf(escrow, dispute, isAnswering(deal))} />
        <AppealCard deal={deal} dispute={dispute} role={role} />
        <Rounds dispute={dispute} />
        <Facts
          facts={[
            ...(open
              ? [['In dispute', <Amount key="left" units={leftUnits(escrow)} className="font-semibold" />] as const]
              : []),
            ["Buyer's bond", <Amount key="bond" units={dispute.bond_units} />],
            ...(dispute.dispute_id === null
              ? []
              : [
                  ["Arbiter's fee, paid by the agent", <Amount key="fee" units={dispute.arbiter_fee_units} />] as const,
                ]),
            ['Arbiter', <Address key="arbiter" address={dispute.arbiter} copy />],
          ]}
        />
        <ArbiterCredit dispute={dispute} role={role} />
        {dispute.evidence.every((said) => said.role !== 'buyer') && (
          <Notice tone="info">
            The buyer's words are not here, only their hash on chain: {shortHash(dispute.evidence_hash)}.
          </Notice>
        )}
        {dispute.evidence.map((said) => (
          <Statement key={said.hash} escrowId={escrow.escrow_id} dispute={dispute} said={said} />
        ))}
        {open && dispute.dispute_id === null && (
          <p className="border-t border-line pt-3 text-muted">{answerText(deal, dispute)}</p>
        )}
      </div>
    </Card>
  )
}
